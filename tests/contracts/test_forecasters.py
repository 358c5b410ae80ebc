"""Every registered forecaster keeps the contract; a new model needs only its line in the registry."""

import pytest

from forecast.checks import CHECKS, check_forecaster
from forecast.registry import FORECASTERS

TINY = {"width": 8, "hidden": 16, "epochs": 1, "learning_rate": 1e-3}

SMALL = {
    "garch": {"context": 60},
    "har": {"context": 40},
    "mars": {"terms": 7},
    "mlp": {"epochs": 4},
    "bagging": {"trees": 10},
    "random_forest": {"trees": 10},
    "mlp_network": {"context": 12, "epochs": 2},
    "cnn": {"context": 12, "epochs": 2},
    "lstm": {"context": 12, "epochs": 2},
    "encoder_decoder": {"context": 12, "epochs": 2},
    "cnn_lstm": {"context": 12, "epochs": 2},
    "conv_lstm": {"context": 12, "epochs": 2},
    "dlinear": {"context": 16, "kernel": 5, "epochs": 2},
    "nlinear": {"context": 16, "epochs": 2},
    "autoformer": {"context": 16, "label": 8, "kernel": 5, "encoder_layers": 1, **TINY},
    "patch_tst": {"context": 16, "patch": 8, "stride": 4, "layers": 1, "attention_heads": 2, **TINY},
    "i_transformer": {"context": 16, "layers": 1, "attention_heads": 2, **TINY},
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
