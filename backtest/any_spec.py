"""Any spec: a configuration file as the kind of experiment it asks for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backtest.amm.spec import EXPERIMENT, LiquiditySpec, build_liquidity_spec, is_liquidity
from backtest.configuration import apply_overrides, read_config
from backtest.spec import RunSpec, build_spec
from data.errors import SpecError


def load_any_spec(path: Path | str, overrides: Sequence[str] = ()) -> RunSpec | LiquiditySpec:
    """Return the spec of a YAML file, with ``a.b=c`` overrides applied.

    Raises:
        SpecError: when the file is missing or anything in it is not allowed; names every fault.
    """
    return build_any_spec(apply_overrides(read_config(Path(path)), overrides))


def build_any_spec(config: Mapping[str, Any]) -> RunSpec | LiquiditySpec:
    """Return the spec of a mapping: of a liquidity experiment where it says so, else of a trading experiment.

    Raises:
        SpecError: when the experiment is unknown, a key is unknown or missing, or a value is not allowed.
    """
    if is_liquidity(config):
        return build_liquidity_spec(config)
    if "experiment" in config:
        raise SpecError(
            f"experiment was {config['experiment']!r}; allowed: {EXPERIMENT}, or no such key to trade weights"
        )
    return build_spec(config)
