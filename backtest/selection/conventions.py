"""Conventions of SharpeRatio@k: what stands in its numerator and its denominator."""

from dataclasses import dataclass

from data.errors import SpecError, nearest


@dataclass(frozen=True)
class Convention:
    """How best@k, the baseline and the spread of the chosen become one ratio.

    Attributes:
        name: the name in tables.
        ddof: degrees of freedom taken off in std@k.
        includes_baseline: the baseline's value counts as one more chosen strategy, so the numerator is never negative
            and k = 1 is defined; else the numerator is clipped at 0 and k = 1 is undefined.
        has_noise_floor: the mean HAC variance of the chosen values is added to std@k squared, so that near-identical
            strategies cannot make the denominator vanish.
    """

    name: str
    ddof: int
    includes_baseline: bool
    has_noise_floor: bool


CODE = Convention("code", 1, includes_baseline=False, has_noise_floor=False)
"""What the published program computes and both published figures show (SCOPE-RL 0.2.1); the default."""

PAPER_TEXT = Convention("paper_text", 0, includes_baseline=True, has_noise_floor=False)
"""What the paper's text says (Kiyohara et al. 2024, section 3): 1/k in std@k, the behaviour policy among the candidates."""

TRADING = Convention("trading", 1, includes_baseline=False, has_noise_floor=True)
"""``code`` with the noise floor, for values that are themselves measured on a finite window."""

CONVENTIONS = {convention.name: convention for convention in (CODE, PAPER_TEXT, TRADING)}


def convention_named(name: str) -> Convention:
    """Return a convention by its name.

    Raises:
        SpecError: when there is none of that name.
    """
    if name not in CONVENTIONS:
        raise SpecError(f"convention '{name}' is unknown{nearest(name, CONVENTIONS)}")
    return CONVENTIONS[name]
