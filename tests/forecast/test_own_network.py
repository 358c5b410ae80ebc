"""A user's own torch module: the contract, a warm start, days known ahead, and the example of the documentation."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from torch import nn

from data.history import History
from data.panel import Floats, Panel, Times
from data.registry import spec, validated
from data.sessions import BarClock
from forecast.checks import check_forecaster, require_forecaster
from forecast.models.network import AbstractNetwork, AbstractTorchNetwork, NetworkShape
from forecast.models.network_fitted import NetworkFitted
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS
from forecast.storage import load_fitted, save_fitted

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own_model.md"


def history_of(values: npt.NDArray[Any]) -> History:
    table = np.asarray(values, float).reshape(len(values), -1)
    clock = BarClock()
    times = clock.next(np.datetime64("2019-12-31", "ns"), len(table))
    names = tuple(f"S{i}" for i in range(table.shape[1]))
    return History(Panel(times, names, ("close",), table[:, :, None]), clock)


def waves(rows: int = 400) -> npt.NDArray[Any]:
    return 100.0 + 5.0 * np.sin(np.arange(rows)[:, None] / np.array([3.0, 5.0]))


def rng_of(history: History) -> RandomStreams:
    return RandomStreams(1, history.cutoff)


def fit(asked: AbstractNetwork, history: History) -> NetworkFitted:
    made = asked.fit(history, rng_of(history))
    assert isinstance(made, NetworkFitted)
    return made


@spec
class Straight(AbstractTorchNetwork):
    """One linear map of a flat window, as an ordinary torch module."""

    def module(self, shape: NetworkShape) -> nn.Module:
        rows = shape.length + (shape.horizon if shape.marks else 0)
        return nn.Sequential(nn.Flatten(), nn.Linear(rows * (shape.channels + shape.marks), shape.outputs))


@spec
class Marked(Straight):
    """The same with the day of the week of every row, those ahead too."""

    def marks(self, times: Times) -> Floats:
        days = times.astype("datetime64[D]").astype(np.int64)
        return np.asarray(((days + 3) % 7 == 0).astype(float)[:, None])


@pytest.mark.parametrize("kind", [Straight, Marked])
@pytest.mark.parametrize("series", ["pooled", "joint"])
def test_an_ordinary_torch_module_keeps_the_contract(kind: type[AbstractNetwork], series: str) -> None:
    asked = validated(
        kind, {"context": 12, "horizon": 3, "epochs": 2, "seeds": 2, "series": series}, "network"
    )
    assert [result for result in check_forecaster(asked) if not result.passed] == []


def test_an_ordinary_torch_module_starts_warm_too() -> None:
    history = history_of(waves())
    asked = Straight(context=12, horizon=3, epochs=1, seeds=2, warm_start=True, learning_rate=1e-12)
    made = fit(asked, history.until(history.times[300]))
    again = asked.fit_again(made, history, rng_of(history))
    assert isinstance(again, NetworkFitted)
    for old, new in zip(made.parts[""].states, again.parts[""].states, strict=True):
        for name, array in old.items():
            np.testing.assert_allclose(new[name], array, atol=1e-6)


def test_what_happens_on_known_days_is_learnt_from_marks() -> None:
    history = history_of(np.zeros(400))
    mondays = Marked().marks(history.times)[:, 0]
    values = 100 * np.exp(np.cumsum(np.where(mondays > 0, 0.05, -0.05 / 6)))
    history = history_of(values)
    asked = Marked(context=4, horizon=3, epochs=150, learning_rate=1e-2, patience=None)
    made = fit(asked, history.until(history.times[380]))
    for t in range(381, 390):
        known = history.until(history.times[t])
        median = made.predict(known, rng_of(known)).median[0]
        np.testing.assert_allclose(median, values[t + 1 : t + 4], rtol=5e-3)


def block(language: str) -> str:
    """The one code block of the page in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_documented_example_is_one_file_of_twenty_lines_and_one_line() -> None:
    assert len(block("python").splitlines()) <= 20
    assert len(block("toml").splitlines()) == 2


def test_the_documented_example_is_found_by_its_name_and_keeps_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_models.py").write_text(block("python"))
    header, line = block("toml").splitlines()
    assert header == '[project.entry-points."wayfold.forecasters"]'
    installed = tmp_path / "my_models-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my-models\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[wayfold.forecasters]\n" + line.replace('"', "") + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert "gated_window" in FORECASTERS.names()
    asked = FORECASTERS.build({"kind": "gated_window", "context": 12, "horizon": 3, "epochs": 2, "units": 8})
    require_forecaster(asked)
    history = history_of(waves())
    made = asked.fit(history, rng_of(history))
    save_fitted(made, tmp_path / "fitted")
    again = load_fitted(tmp_path / "fitted").predict(history, rng_of(history))
    assert again.values.tobytes() == made.predict(history, rng_of(history)).values.tobytes()
