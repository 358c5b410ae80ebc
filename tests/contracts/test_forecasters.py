"""Every registered forecaster keeps the contract; a new model needs only its line in the registry."""

import pytest

from forecast.checks import CHECKS, check_forecaster
from forecast.registry import FORECASTERS

SMALL = {
    "garch": {"context": 60},
    "har": {"context": 40},
    "mars": {"terms": 7},
    "bagging": {"trees": 10},
    "random_forest": {"trees": 10},
}
"""Settings beyond ``context: 30, horizon: 3`` that keep the suite under two seconds a model."""


def small_spec(kind, **settings):
    return FORECASTERS.build({"kind": kind, "context": 30, "horizon": 3, **SMALL.get(kind, {}), **settings})


@pytest.mark.parametrize("kind", FORECASTERS.names())
def test_every_registered_forecaster_keeps_the_contract(kind):
    results = check_forecaster(small_spec(kind))
    assert [result.check for result in results] == list(CHECKS)
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("kind", ["naive", "drift", "seasonal_naive", "ridge", "garch", "har"])
def test_variance_forecasts_keep_the_contract_too(kind):
    results = check_forecaster(small_spec(kind, quantity="variance"))
    assert [result for result in results if not result.passed] == []
