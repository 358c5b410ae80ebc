"""Placebos: the rules of a liquidity experiment where nothing can be foreseen, less full range on the same swaps.

    python scripts/studies/liquidity_placebo.py CONFIG --worlds 8 [--set data.folder=FOLDER]

Printed twice: with the costs of the configuration, and free of them, where narrow ranges also earn from turns within the hour.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from backtest.amm.contest import make_contest
from backtest.amm.placebo import placebo_table
from backtest.amm.spec import LiquiditySpec
from backtest.any_spec import load_any_spec
from data.errors import SpecError


def free(spec: LiquiditySpec) -> LiquiditySpec:
    """Return the experiment without costs."""
    costs = replace(spec.costs, mint_gas=0.0, burn_gas=0.0, swap_gas=0.0, conversion_fee=0.0, impact=False)
    return replace(spec, costs=costs)


def main() -> None:
    """Print one table with costs and one without."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--worlds", type=int, default=8)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    asked = parser.parse_args()
    spec = load_any_spec(asked.config, asked.overrides)
    if not isinstance(spec, LiquiditySpec):
        raise SpecError(f"{asked.config} is no liquidity experiment")
    history = spec.data.load(Path())
    for name, each in (("costs as configured", spec), ("no costs", free(spec))):
        print(f"\n{name}")
        print(placebo_table(make_contest(each, history), asked.worlds).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
