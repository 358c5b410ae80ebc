from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backtest.amm.spec import LiquiditySpec, build_liquidity_spec
from backtest.any_spec import build_any_spec, load_any_spec
from backtest.configuration import read_config
from backtest.spec import RunSpec, build_spec
from data.errors import SpecError

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path for path in (ROOT / "configs").glob("*.yaml") if read_config(path).get("experiment") == "liquidity"
)


def config(**changes: Any) -> Mapping[str, Any]:
    return {
        "experiment": "liquidity",
        "data": {"kind": "pool_simulated", "reference": {"kind": "synthetic", "bar": "1h", "count": 1}},
        "policies": [{"kind": "static"}],
        "capital": 1000,
        "costs": {"mint_gas": 1, "burn_gas": 1, "swap_gas": 1},
        **changes,
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_liquidity_configuration_survives_its_resolved_form(path: Path) -> None:
    spec = load_any_spec(path)
    assert isinstance(spec, LiquiditySpec)
    assert build_liquidity_spec(spec.resolved()).digest() == spec.digest()


def test_a_file_without_the_key_is_a_trading_experiment() -> None:
    assert isinstance(load_any_spec(ROOT / "configs" / "quickstart.yaml"), RunSpec)


def test_another_experiment_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match="experiment was 'options'; allowed: liquidity"):
        build_any_spec(config(experiment="options"))


def test_commands_of_trading_refuse_a_liquidity_experiment() -> None:
    with pytest.raises(SpecError, match="this is a liquidity experiment"):
        build_spec(config())


def test_every_fault_of_a_file_is_named_at_once() -> None:
    wrong = config(capital=0, polices=[], windows={"bars": 3}, own_dilution="yes", seed=1.5)
    with pytest.raises(SpecError) as caught:
        build_liquidity_spec(wrong)
    text = str(caught.value)
    for fault in ("capital was 0", "unknown key 'polices'; did you mean 'policies'?", "windows.bars was 3", "own_dilution was 'yes'",
                  "seed was 1.5"):  # fmt: skip
        assert fault in text


def test_a_policy_that_reads_a_forecaster_needs_it_in_the_file() -> None:
    with pytest.raises(
        SpecError, match="policy 'plan' reads forecaster 'har', which the experiment does not"
    ):
        build_liquidity_spec(config(policies=[{"kind": "plan", "forecaster": "har"}]))


def test_an_embargo_shorter_than_a_horizon_is_refused() -> None:
    with pytest.raises(SpecError, match=r"windows\.embargo was 24; .* the longest horizon, 168 bars"):
        build_liquidity_spec(config(forecasters=[{"kind": "har", "horizon": 168}]))


@pytest.mark.parametrize("embargo", [48, 49, 1000])
def test_an_embargo_that_leaves_nothing_to_learn_from_is_refused(embargo: int) -> None:
    with pytest.raises(
        SpecError, match=f"embargo was {embargo}; fewer than the 48 bars of the training blocks"
    ):
        build_liquidity_spec(config(windows={"bars": 24, "train": 2, "embargo": embargo}))


def test_an_account_of_nothing_is_no_point_of_a_frontier() -> None:
    with pytest.raises(SpecError, match=r"frontier\.capital\.0 was 0"):
        build_liquidity_spec(config(frontier={"capital": [0], "gas": [0]}))


def test_another_cost_or_seed_is_another_experiment() -> None:
    digests = {
        build_liquidity_spec(config(**change)).digest()
        for change in ({}, {"seed": 2}, {"costs": {"mint_gas": 2, "burn_gas": 1, "swap_gas": 1}})
    }
    assert len(digests) == 3
