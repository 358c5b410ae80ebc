"""The table of forecasters: lazy, strict, and helpful about misspelt names."""

import subprocess
import sys

import pytest

from data.errors import SpecError
from forecast.base import AbstractForecaster
from forecast.models.naive import SeasonalNaive
from forecast.registry import FORECASTERS, NAIVE_KINDS, REFERENCE_KINDS


@pytest.mark.parametrize("kind", REFERENCE_KINDS)
def test_reference_models_build_from_a_bare_name(kind):
    built = FORECASTERS.build(kind)
    assert isinstance(built, AbstractForecaster)
    assert FORECASTERS.kind_of(built) == kind


def test_naive_models_are_reference_models():
    assert set(NAIVE_KINDS) < set(REFERENCE_KINDS) <= set(FORECASTERS.names())


@pytest.mark.parametrize("quantity", ["level", "variance"])
@pytest.mark.parametrize("kind", REFERENCE_KINDS)
def test_reference_models_can_run_beside_a_forecast_of_any_quantity(kind, quantity):
    assert FORECASTERS.build({"kind": kind, "quantity": quantity, "context": 66}).quantity == quantity


def test_a_spec_is_described_as_it_would_be_written():
    described = FORECASTERS.describe(SeasonalNaive(season=7))
    assert described["kind"] == "seasonal_naive"
    assert described["season"] == 7
    assert FORECASTERS.build(described) == SeasonalNaive(season=7)


def test_equal_specs_are_one_key():
    assert len({SeasonalNaive(season=7), SeasonalNaive(season=7), SeasonalNaive(season=5)}) == 2


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("riddge", "unknown forecaster kind 'riddge'; did you mean 'ridge'?"),
        ({"kind": "naive", "horizn": 3}, "unknown key 'forecaster.horizn'; did you mean 'horizon'?"),
        (
            {"kind": "naive", "horizon": 0},
            "forecaster.horizon was 0: input should be greater than or equal to 1",
        ),
        ({"kind": "naive", "horizon": "5"}, "forecaster.horizon was '5'"),
        ({"kind": "ridge", "shared": "yes"}, "forecaster.shared was 'yes'"),
        (
            {"kind": "seasonal_naive", "season": 70},
            "season 70 needs a context of at least 70 rows; context was 64",
        ),
        ({"horizon": 3}, "forecaster has no 'kind'"),
    ],
)
def test_a_wrong_section_is_explained(config, message):
    with pytest.raises(SpecError) as caught:
        FORECASTERS.build(config)
    assert message in str(caught.value)


def test_a_model_is_imported_only_when_asked_for():
    code = """
import sys
from forecast.registry import FORECASTERS
FORECASTERS.names()
FORECASTERS.build("naive")
print(sorted(name for name in sys.modules if name.startswith("forecast.models.")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['forecast.models.empirical', 'forecast.models.naive']"
