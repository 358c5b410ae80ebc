"""The reproduction of Autoformer: every model beside the last value, and a verdict that says what was shown."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from backtest.configuration import read_config
from backtest.reproductions.autoformer import AutoformerReproduction
from backtest.reproductions.base import Reproduction
from data.errors import DataError
from data.registry import validated

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "reproduce" / "autoformer.yaml"
SMALL = {
    "split": {"file": "made.csv", "bar": "session", "fitted": 300, "train": 400, "stop": 500},
    "context": 24,
    "label": 12,
    "ridge_context": 12,
    "horizons": [4, 8],
    "width": 8,
    "hidden": 16,
    "epochs": 1,
    "seeds": [1, 2],
    "published": {"last value, 4 steps": 0.5},
}


def asked(**changed: object) -> AutoformerReproduction:
    config = {key: value for key, value in read_config(CONFIG).items() if key != "kind"}
    return validated(AutoformerReproduction, {**config, **changed}, "autoformer")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    folder = tmp_path_factory.mktemp("data")
    values = np.cumsum(np.random.default_rng(3).normal(size=(500, 3)), axis=0) + 100
    days = np.datetime64("2000-01-01") + np.arange(500)
    lines = [",".join([str(day), *map(str, row)]) for day, row in zip(days, values, strict=True)]
    (folder / "made.csv").write_text("date,a,b,c\n" + "\n".join(lines) + "\n")
    return asked(**SMALL).run(folder)


def test_every_model_stands_beside_the_last_value_at_each_horizon(done: Reproduction) -> None:
    names = ("last value", "ridge", "NLinear", "DLinear", "Autoformer")
    assert [row.name for row in done.rows] == [f"{name}, {h} steps" for h in (4, 8) for name in names]
    assert [row.is_naive for row in done.rows] == [name == "last value" for name in names] * 2
    assert done.rows[0].published == 0.5


def test_every_number_has_an_interval_and_a_chance_but_the_naive_one(done: Reproduction) -> None:
    for row in done.rows:
        assert row.low < row.value < row.high
        assert (row.p_value is None) == row.is_naive


def test_the_windows_are_counted_and_the_verdict_compares_with_the_last_value(done: Reproduction) -> None:
    assert "97 at 4, 93 at 8" in done.measure
    assert "width 8, mean of 2 seeds" in done.measure
    assert "At 4 steps Autoformer's error is" in done.verdict
    assert "times that of repeating the last value" in done.verdict
    assert "no skill shown by any model" in done.verdict


def test_the_published_settings_are_those_of_the_paper_but_for_the_width() -> None:
    built = asked()
    (autoformer,) = [model for name, model in built.models(96).items() if name == "Autoformer"]
    assert (built.split.fitted, built.split.train, built.split.stop) == (5311, 6071, 7588)
    shown = {
        name: getattr(autoformer, name) for name in ("context", "label", "factor", "learning_rate", "epochs")
    }
    assert shown == {"context": 96, "label": 48, "factor": 3.0, "learning_rate": 1e-4, "epochs": 10}
    assert (autoformer.patience, autoformer.rate_decay, autoformer.dropout) == (3, "half_each_epoch", 0.05)


def test_missing_data_names_the_file_and_the_option(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exchange_rate.csv' was not found .* --data"):
        asked().run(tmp_path)
