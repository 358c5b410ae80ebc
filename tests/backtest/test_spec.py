"""One YAML file, one value: what is written, overridden and defaulted is what is run."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest

from backtest.configuration import apply_overrides, read_config
from backtest.limits import Limits
from backtest.policies.sign import LongFlat
from backtest.spec import KEYS, RunSpec, build_spec, load_spec, model_labels, with_references
from backtest.yaml12 import dump_yaml, load_yaml
from data.errors import SpecError
from data.registry import spec as as_spec
from forecast.models.naive import Naive
from forecast.registry import FORECASTERS, REFERENCE_KINDS

CONFIGS = sorted(
    path
    for path in (Path(__file__).resolve().parents[2] / "configs").glob("*.yaml")
    if "experiment" not in read_config(path)
)

SMALL: dict[str, Any] = {
    "data": {"kind": "synthetic", "bars": 100},
    "forecaster": {"kind": "bootstrap", "context": 20, "horizon": 3},
    "folds": {"kind": "rolling", "train": 50, "test": 20},
    "policy": "long_flat",
    "costs": "us_equities",
}


@as_spec
class Plugin(Naive):
    """A forecaster whose kind has a hyphen in its name, as a plugin's may."""


def small(**sections: Any) -> RunSpec:
    return build_spec({**copy.deepcopy(SMALL), **sections})


def shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every plain value of a resolved spec with its override path."""
    if isinstance(value, dict):
        return [
            leaf for key, item in value.items() for leaf in leaves(item, f"{path}.{key}" if path else key)
        ]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [leaf for i, item in enumerate(value) for leaf in leaves(item, f"{path}.{i}")]
    return [(path, value)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_survives_resolution_and_yaml(path: Path) -> None:
    spec = load_spec(path)
    again = build_spec(load_yaml(dump_yaml(spec.resolved())))
    assert again == spec
    assert again.digest() == spec.digest()
    assert again.resolved() == spec.resolved()
    assert tuple(spec.resolved()) == tuple(key for key in KEYS if key != "grid" or spec.grid)


def test_the_digest_ignores_the_order_of_keys_and_the_spelling_of_numbers() -> None:
    spec = small(limits={"max_gross": 1, "min_trade": 0.01})
    for seed in range(5):
        assert build_spec(shuffled(spec.resolved(), random.Random(seed))).digest() == spec.digest()
    assert small(limits={"max_gross": 1.0}).digest() == spec.digest()
    assert small(policy={"kind": "long_flat"}).digest() == spec.digest()
    assert build_spec({**SMALL, "forecaster": [SMALL["forecaster"]]}).digest() == spec.digest()


def test_the_digest_changes_with_any_number_name_and_switch() -> None:
    spec = small()
    digests = {spec.digest()}
    changed = 0
    for path, value in leaves(spec.resolved()):
        other = _another(path, value)
        if other is None:
            continue
        changed += 1
        digests.add(like(spec, f"{path}={other}").digest())
    assert len(digests) == changed + 1
    assert changed > 25


def _another(path: str, value: Any) -> str | None:
    """A different allowed value, or None where the kind decides what else is allowed."""
    if isinstance(value, bool):
        return str(not value).lower()
    if isinstance(value, int):
        return str(value + 1)
    if isinstance(value, float) and path != "data.degrees":
        return repr(value * 0.9 if value else 0.001)
    return "other" if path == "name" else None


def like(spec: RunSpec, *overrides: str) -> RunSpec:
    return build_spec(apply_overrides(spec.resolved(), overrides))


def test_what_is_left_out_is_filled_with_the_defaults() -> None:
    resolved = small().resolved()
    assert resolved["name"] == "run"
    assert resolved["seed"] == 0
    assert resolved["retraining"] == {
        "kind": "every_fold",
        "latency": 0,
        "truth_delay": 0,
        "variance_horizon": None,
    }
    assert resolved["calibration"] == {"kind": "none"}
    assert resolved["engine"]["kind"] == "realistic"
    assert resolved["benchmark"] == {"kind": "buy_and_hold"}
    assert small().limits == Limits()
    assert small().policy == LongFlat()
    assert resolved["costs"]["slippage_bps"] == 3.0


def test_every_fault_of_a_config_is_named_in_one_message() -> None:
    config = {
        "data": {"kind": "synthetic", "bars": 1},
        "forecaster": [
            {"kind": "bootstrap", "horizont": 3},
            {"kind": "ridgee"},
            {"kind": "naive", "horizon": 0},
        ],
        "folds": {"kind": "rolling", "train": "long", "tset": 5},
        "limits": [1],
        "seed": True,
        "name": 5,
        "polcy": "kelly",
    }
    with pytest.raises(SpecError) as caught:
        build_spec(config)
    message = str(caught.value)
    for part in (
        "unknown key 'polcy'; did you mean 'policy'?", "missing key 'policy'", "missing key 'costs'", "data.bars was 1",
        "unknown key 'forecaster[0].horizont'; did you mean 'horizon'?", "unknown forecaster kind 'ridgee'",
        "forecaster[2].horizon was 0", "folds.train was 'long'", "unknown key 'folds.tset'", "limits was [1]",
        "seed was True; a whole number is needed", "name was 5; text is needed",
    ):  # fmt: skip
        assert part in message


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"horizon": 4}, "horizon: 3 and 4"),
        ({"levels": [0.1, 0.5, 0.9]}, "levels"),
        ({"field": "open"}, "field"),
    ],
)
def test_forecasters_that_cannot_be_compared_are_refused_with_all_other_faults(
    other: dict[str, Any], named: str
) -> None:
    many = [SMALL["forecaster"], {"kind": "naive", "context": 20, "horizon": 3, **other}]
    with pytest.raises(SpecError, match=f"forecasters disagree on {named}"):
        small(forecaster=many)
    with pytest.raises(SpecError, match=r"unknown key 'x'.*forecasters disagree"):
        small(forecaster=many, x=1)
    with pytest.raises(SpecError, match="forecaster is empty"):
        small(forecaster=[])


def test_models_of_one_kind_are_numbered_from_the_second_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORECASTERS.kinds, "my-model", f"{__name__}:Plugin")  # type: ignore[arg-type]
    kinds = ["ridge", "naive", "ridge", "my-model", "naive", "ridge", "my-model"]
    many = [FORECASTERS.build({"kind": kind, "context": 10 + i}) for i, kind in enumerate(kinds)]
    labels = model_labels(with_references(many))
    assert labels[:7] == ("ridge", "naive", "ridge-2", "my-model", "naive-2", "ridge-3", "my-model-2")
    assert labels[7:] == ("drift", "seasonal_naive")


@pytest.mark.parametrize("asked", [("bootstrap",), ("ridge", "ridge"), REFERENCE_KINDS, ("drift", "naive")])
def test_reference_models_are_added_once_with_the_users_window(asked: tuple[str, ...]) -> None:
    many = with_references([FORECASTERS.build({"kind": kind, "context": 17, "horizon": 4}) for kind in asked])
    labels = model_labels(many)
    assert len(set(labels)) == len(labels) == len(asked) + len(set(REFERENCE_KINDS) - set(asked))
    assert set(REFERENCE_KINDS) <= set(labels)
    assert {(each.context, each.horizon) for each in many} == {(17, 4)}
    assert with_references(many) == many


def test_a_grid_is_part_of_the_spec_and_an_empty_one_changes_nothing() -> None:
    section = {"limits.min_trade": [0.02, 0.01], "policy": ["long_flat", {"kind": "top_k", "k": 2}]}
    spec = small(grid=section)
    assert spec.resolved()["grid"] == section
    assert list(spec.resolved()["grid"]) == list(section)
    again = build_spec(load_yaml(dump_yaml(spec.resolved())))
    assert again == spec and hash(again) == hash(spec)
    assert small(grid={}) == small() and "grid" not in small().resolved()
    assert spec.digest() != small().digest() == small(grid={}).digest()


def test_faults_of_a_grid_stand_beside_the_others() -> None:
    with pytest.raises(
        SpecError, match=r"unknown key 'x'.*'folds' cannot vary.*'policy.k was|grid.policy.k was"
    ) as caught:
        small(grid={"folds.train": [1], "policy.k": 3}, x=1)
    assert "grid.policy.k was 3; a list of at least one value is needed" in str(caught.value)


def test_a_section_with_a_default_may_leave_its_kind_out() -> None:
    spec = small(engine={"capital": 50_000.0}, benchmark={})
    assert spec.resolved()["engine"]["kind"] == "realistic"
    assert spec.engine.capital == 50_000.0
    assert spec.resolved()["benchmark"] == {"kind": "buy_and_hold"}
    with pytest.raises(SpecError, match="folds has no 'kind'"):
        small(folds={"train": 50, "test": 20})
    overridden = build_spec(apply_overrides(copy.deepcopy(SMALL), ["engine.units=fractional"]))
    assert overridden.engine == small(engine={"kind": "realistic", "units": "fractional"}).engine
