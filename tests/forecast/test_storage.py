"""Fitted models on disk: every bit comes back, nothing is pickled, damage is explained."""

import json

import numpy as np
import pytest

from forecast.checks import synthetic_history
from forecast.errors import ForecastError
from forecast.models.naive import Naive
from forecast.randomness import RandomStreams
from forecast.storage import load_fitted, read_state, save_fitted, write_state

RNG = RandomStreams(1, np.datetime64("2020-01-01", "ns"))


def test_arrays_and_facts_come_back_to_the_bit(tmp_path):
    arrays = {
        "floats": np.array([0.1, -0.0, np.nan, np.inf]),
        "names": np.array(["a", "bc"]),
        "flags": np.array(True),
    }
    write_state(tmp_path, arrays, {"series": ["é", "B"], "share": 0.1})
    found, facts = read_state(tmp_path)
    assert facts == {"series": ["é", "B"], "share": 0.1}
    assert {name: array.dtype for name, array in found.items()} == {
        name: a.dtype for name, a in arrays.items()
    }
    assert all(found[name].tobytes() == array.tobytes() for name, array in arrays.items())


def test_objects_are_refused_so_nothing_is_ever_pickled(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        write_state(tmp_path, {"objects": np.array([{}, None], dtype=object)}, {})


def test_a_fitted_model_comes_back_with_its_spec(tmp_path):
    history = synthetic_history()
    fitted = Naive(context=9, horizon=2).fit(history, RNG)
    save_fitted(fitted, tmp_path / "new" / "naive")
    again = load_fitted(tmp_path / "new" / "naive")
    assert again.spec == fitted.spec
    assert again.predict(history, RNG).values.tobytes() == fitted.predict(history, RNG).values.tobytes()
    assert json.loads((tmp_path / "new" / "naive" / "spec.json").read_text())["kind"] == "naive"


def test_a_stored_model_is_never_overwritten(tmp_path):
    fitted = Naive().fit(synthetic_history(), RNG)
    save_fitted(fitted, tmp_path / "naive")
    with pytest.raises(FileExistsError):
        save_fitted(fitted, tmp_path / "naive")


def test_a_damaged_or_missing_state_is_explained(tmp_path):
    with pytest.raises(ForecastError, match="cannot be read"):
        read_state(tmp_path)
    write_state(tmp_path, {"x": np.ones(3)}, {})
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ForecastError, match="cannot be read"):
        read_state(tmp_path)
