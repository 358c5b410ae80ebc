"""The JSON Schema accepts what the code accepts and refuses unknown keys, so an editor's hints can be believed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from backtest.amm.policies.base import LIQUIDITY_POLICIES
from backtest.amm.spec import build_liquidity_spec, is_liquidity
from backtest.any_spec import load_any_spec
from backtest.configuration import apply_overrides, read_config
from backtest.schema import json_schema
from backtest.spec import SECTIONS, build_spec
from data.errors import SpecError
from forecast.liquidity import LIQUIDITY_FORECASTERS

ALL = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.yaml"))
CONFIGS = [path for path in ALL if not is_liquidity(read_config(path))]
POOLS = [path for path in ALL if path not in CONFIGS]
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
         "null": type(None)}  # fmt: skip
KNOWN = {
    "$schema", "title", "description", "default", "type", "properties", "required", "additionalProperties", "items",
    "enum", "const", "oneOf", "anyOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems",
    "maxItems", "prefixItems", "pattern",
}  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema()


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value satisfies a schema that uses only the words in KNOWN; anything else is an error of this test."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    kind = TYPES[schema["type"]] if "type" in schema else object
    plain_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    checks = [
        isinstance(value, kind) and (kind in (bool, object) or not isinstance(value, bool)),
        "enum" not in schema or value in schema["enum"],
        "const" not in schema or value == schema["const"],
        "oneOf" not in schema or sum(fits(each, value) for each in schema["oneOf"]) == 1,
        "anyOf" not in schema or any(fits(each, value) for each in schema["anyOf"]),
    ]
    if isinstance(value, dict):
        known = schema.get("properties", {})
        checks += [set(schema.get("required", [])) <= set(value)]
        checks += [schema.get("additionalProperties", True) is not False or set(value) <= set(known)]
        checks += [fits(known[key], item) for key, item in value.items() if key in known]
    if isinstance(value, list):
        checks += [
            schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)),
            *(fits(each, v) for each, v in zip(schema.get("prefixItems", []), value, strict=False)),
            *(fits(schema.get("items", {}), v) for v in value),
        ]
    if isinstance(value, str):
        checks += [re.search(schema.get("pattern", ""), value) is not None]
    if plain_number:
        checks += [value >= schema.get("minimum", value), value <= schema.get("maximum", value)]
        checks += ["exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"]]
        checks += ["exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"]]
    return all(checks)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_shipped_config_fits_as_written_and_as_resolved(path: Path, schema: dict[str, Any]) -> None:
    assert fits(schema, read_config(path))
    assert fits(schema, load_any_spec(path).resolved())


def test_the_schema_is_strict_json_and_names_every_kind(schema: dict[str, Any]) -> None:
    text = json.dumps(schema, allow_nan=False)
    for registry in (*SECTIONS.values(), LIQUIDITY_FORECASTERS, LIQUIDITY_POLICIES):
        for kind in registry.names():
            assert f'"const": "{kind}"' in text


@pytest.mark.parametrize(
    "override",
    ["foldss.train=1", "folds.trian=100", "forecaster.0.horizons=1", "limits.gross=1", "costs.fee=1", "folds.kind=roll",
     "folds.train=1", "forecaster.0.horizon=0", "forecaster.0.horizon=five", "seed=one", "limits.long_only=1",
     "policy=martingale", "retraining=every", "forecaster.0.levels=0.5", "data={series: [A]}"],
)  # fmt: skip
def test_what_the_code_refuses_does_not_fit(override: str, schema: dict[str, Any]) -> None:
    config = apply_overrides(read_config(CONFIGS[[p.stem for p in CONFIGS].index("quickstart")]), [override])
    assert not fits(schema, config)
    with pytest.raises(SpecError):
        build_spec(config)


def test_a_missing_section_does_not_fit(schema: dict[str, Any]) -> None:
    config = read_config(CONFIGS[0])
    for key in ("data", "forecaster", "folds", "policy", "costs"):
        assert not fits(schema, {name: value for name, value in config.items() if name != key})


def test_only_a_section_with_a_default_kind_may_leave_it_out(schema: dict[str, Any]) -> None:
    config = read_config(CONFIGS[0])
    assert fits(schema, {**config, "engine": {"units": "fractional"}})
    assert not fits(schema, {**config, "engine": {"target": "percent"}})
    assert not fits(schema, {**config, "policy": {"fraction": 0.5}})


@pytest.mark.parametrize(
    "override",
    ["experiment=options", "capital=0", "capital=much", "placebos=-1", "placebos=1.5", "own_dilution=1", "windows.bars=12",
     "windows.embago=24", "costs.mint_gas=-1", "costs.conversion_fee=1", "frontier.gas=[-5]", "frontier.capital=[0]", "policies.0.widht=0.1",
     "policies=static", "forecasters.0.horizon=0", "grid={capital: [1, 2]}", "policy=martingale"],
)  # fmt: skip
def test_what_a_liquidity_experiment_refuses_does_not_fit(override: str, schema: dict[str, Any]) -> None:
    config = apply_overrides(read_config(POOLS[0]), [override])
    assert not fits(schema, config)
    with pytest.raises(SpecError):
        build_liquidity_spec(config)


@pytest.mark.parametrize("key", ["experiment", "data", "policies", "capital", "costs"])
def test_a_liquidity_experiment_without_what_it_needs_does_not_fit(key: str, schema: dict[str, Any]) -> None:
    config = {name: value for name, value in read_config(POOLS[0]).items() if name != key}
    assert not fits(schema, config)
    with pytest.raises(SpecError):
        build_liquidity_spec(config)
