"""Networks keep the contract in every form: pooled, separate and joint, each target, each loss, several members."""

from typing import Any

import pytest

from data.registry import validated
from forecast.checks import check_forecaster
from forecast.models.mlp_network import MlpNetwork


def mlp(**settings: Any) -> MlpNetwork:
    small = {"context": 12, "horizon": 3, "hidden": (8,), "epochs": 2}
    return validated(MlpNetwork, {**small, **settings}, "network")


@pytest.mark.parametrize(
    ("series", "loss", "target"),
    [
        ("pooled", "mse", "level"),
        ("pooled", "pinball", "log_return"),
        ("pooled", "student_t", "last_value"),
        ("pooled", "mae", "log_return"),
        ("separate", "pinball", "level"),
        ("separate", "student_t", "log_return"),
        ("separate", "mse", "last_value"),
        ("joint", "student_t", "level"),
        ("joint", "mse", "log_return"),
        ("joint", "pinball", "last_value"),
    ],
)
def test_every_form_keeps_the_contract(series: str, loss: str, target: str) -> None:
    results = check_forecaster(mlp(series=series, loss=loss, target=target))
    assert [result for result in results if not result.passed] == []


def test_an_ensemble_of_several_fields_keeps_the_contract() -> None:
    asked = mlp(seeds=2, fields=["open", "volume"], target="last_value")
    assert [result for result in check_forecaster(asked) if not result.passed] == []
