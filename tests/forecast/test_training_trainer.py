"""Training many folds at once: each fold as if it were alone, and as a plain loop would train it."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from data.errors import SpecError
from data.registry import validated
from forecast.errors import FitError, TrainingError
from forecast.training.fold import TrainedModel, TrainingFailure, TrainingFold, TrainingSettings
from forecast.training.group import RowOrder
from forecast.training.hardware import chosen_device, has_bfloat16
from forecast.training.layers import StackedConv1d, StackedLinear, initialised, max_pool
from forecast.training.looped import looped
from forecast.training.losses import mae, mse, pinball
from forecast.training.lstm import StackedLstm
from forecast.training.trainer import train_many
from forecast.training.windows import WindowTable

PATH = Path(__file__).resolve().parents[1] / "oracles" / "training_oracle.py"
found = importlib.util.spec_from_file_location(PATH.stem, PATH)
oracle = importlib.util.module_from_spec(found)
found.loader.exec_module(oracle)

TOLERANCE = 2e-5
"""Of weights of order 1 after some 60 Adam steps, stacked against alone; the largest difference is printed by the benchmark."""


class Recurrent(nn.Module):
    def __init__(self, models):
        super().__init__()
        self.lstm, self.head = StackedLstm(models, 1, 8), StackedLinear(models, 8, 1)

    def forward(self, inputs):
        return self.head(self.lstm(inputs))


class Convolutional(nn.Module):
    def __init__(self, models):
        super().__init__()
        self.conv, self.head = StackedConv1d(models, 1, 6, 3), StackedLinear(models, 12, 1)

    def forward(self, inputs):
        return self.head(max_pool(torch.relu(self.conv(inputs)), 2).flatten(2))


class Linear(nn.Module):
    def __init__(self, models):
        super().__init__()
        self.head = StackedLinear(models, 6, 1)

    def forward(self, inputs):
        return self.head(inputs.flatten(2))


class Perceptron(nn.Module):
    def __init__(self, models):
        super().__init__()
        self.hidden, self.head = StackedLinear(models, 6, 8), StackedLinear(models, 8, 1)

    def forward(self, inputs):
        return self.head(torch.relu(self.hidden(inputs.flatten(2))))


def builder(kind):
    return lambda seeds: initialised(kind(len(seeds)), seeds)


FAMILIES = {kind.__name__: builder(kind) for kind in (Recurrent, Convolutional, Linear, Perceptron)}
FAMILIES["looped"] = lambda seeds: looped(
    lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.Dropout(0.2), nn.BatchNorm1d(8), nn.Linear(8, 1)),
    seeds,
)


def table(rows=260, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(5.0, 2.0, (rows, 6, 1))
    targets = 0.5 * inputs[:, -1] - 0.2 * inputs[:, 0] + rng.normal(0.0, 0.5, (rows, 1))
    return WindowTable(inputs.astype(np.float32), targets.astype(np.float32))


def fold(windows, first, last, valid, seed):
    rows = np.arange(first, last), np.arange(last, last + valid)
    return TrainingFold(windows, *rows, np.array([5.0]), np.array([2.0]), 1.5, 1.0, seed, f"fold {seed}")


def rolling(count=4):
    windows = table()
    return [fold(windows, 10 * k, 10 * k + 100, 30, k) for k in range(count)]


def expanding(count=4):
    windows = table()
    return [fold(windows, 0, 60 + 23 * k, 20 + k, k) for k in range(count)]


def difference(one, other):
    assert isinstance(one, TrainedModel), one
    assert isinstance(other, TrainedModel), other
    assert one.state.keys() == other.state.keys()
    return max(float(np.abs(one.state[name] - other.state[name]).max()) for name in one.state)


EARLY = TrainingSettings(epochs=8, batch=16, learning_rate=0.01, patience=2)
FIXED = TrainingSettings(epochs=4, batch=16, learning_rate=0.003)


@pytest.mark.parametrize("asked", [EARLY, FIXED], ids=["early stopping", "all epochs"])
@pytest.mark.parametrize("folds", [rolling(), expanding()], ids=["rolling", "expanding"])
@pytest.mark.parametrize("name", FAMILIES)
def test_folds_trained_together_are_those_trained_alone(name, folds, asked):
    many = train_many(FAMILIES[name], folds, asked, mse)
    alone = [train_many(FAMILIES[name], [each], asked, mse)[0] for each in folds]
    assert max(map(difference, many, alone)) < TOLERANCE
    assert [each.epochs_run for each in many] == [each.epochs_run for each in alone]
    for mine, other in zip(many, alone, strict=True):
        assert mine.train_loss == pytest.approx(other.train_loss, rel=1e-4)
        assert mine.valid_loss == pytest.approx(other.valid_loss, rel=1e-4)


@pytest.mark.parametrize("asked", [EARLY, FIXED], ids=["early stopping", "all epochs"])
@pytest.mark.parametrize("name", ["Recurrent", "Convolutional", "Linear", "Perceptron"])
def test_a_fold_is_trained_as_a_plain_loop_would(name, asked):
    build, folds = FAMILIES[name], expanding()
    for made, each in zip(train_many(build, folds, asked, mse), folds, strict=True):
        state, epochs, train, valid = oracle.train_alone(build([each.seed]), each, asked, mse)
        assert max(float(np.abs(made.state[n] - state[n].numpy()).max()) for n in state) < TOLERANCE
        assert made.epochs_run == epochs
        assert made.train_loss == pytest.approx(train, rel=1e-4)
        assert made.valid_loss == pytest.approx(valid, rel=1e-4)


@pytest.mark.parametrize("name", ["Recurrent", "Linear", "Perceptron", "looped"])
def test_the_bits_of_a_model_do_not_depend_on_its_group(name):
    if torch.cuda.is_available():
        pytest.skip("promised on CPUs")
    folds = expanding()
    whole = train_many(FAMILIES[name], folds, EARLY, mse)
    pair, rest = (
        train_many(FAMILIES[name], folds[2:], EARLY, mse),
        train_many(FAMILIES[name], folds[:2], EARLY, mse),
    )
    assert max(map(difference, whole, [*rest, *pair])) == 0.0
    assert [each.valid_loss for each in whole] == [each.valid_loss for each in [*rest, *pair]]


def test_folds_stop_at_epochs_of_their_own():
    asked = replace(EARLY, epochs=12)
    made = train_many(FAMILIES["Perceptron"], rolling(12), asked, mse)
    epochs = [each.epochs_run for each in made]
    assert len(set(epochs)) > 2
    assert max(epochs) <= asked.epochs


@pytest.mark.parametrize("loss", [mae, pinball((0.5,))])
def test_other_losses_are_minimised_the_same_way(loss):
    folds = rolling(3)
    many = train_many(FAMILIES["Linear"], folds, EARLY, loss)
    alone = [train_many(FAMILIES["Linear"], [each], EARLY, loss)[0] for each in folds]
    assert max(map(difference, many, alone)) < TOLERANCE


def test_the_rate_halves_after_the_second_epoch_as_autoformers_does():
    asked = replace(FIXED, rate_decay="half_each_epoch")
    build, folds = FAMILIES["Perceptron"], expanding()
    for made, each in zip(train_many(build, folds, asked, mse), folds, strict=True):
        state, *_ = oracle.train_alone(build([each.seed]), each, asked, mse)
        assert max(float(np.abs(made.state[n] - state[n].numpy()).max()) for n in state) < TOLERANCE


def test_equal_seeds_give_equal_bits_and_other_seeds_other_models():
    folds = rolling(3)
    first, again = (train_many(FAMILIES["Recurrent"], folds, FIXED, mse) for _ in range(2))
    assert max(map(difference, first, again)) == 0.0
    other = train_many(FAMILIES["Recurrent"], [replace(folds[0], seed=99)], FIXED, mse)[0]
    assert difference(first[0], other) > 0.01


def test_training_leaves_the_global_stream_alone():
    torch.manual_seed(4)
    wanted = torch.rand(2)
    torch.manual_seed(4)
    train_many(FAMILIES["looped"], rolling(2), FIXED, mse)
    assert torch.equal(torch.rand(2), wanted)


def test_the_kept_state_is_what_a_module_of_one_model_loads():
    each = rolling(1)[0]
    made = train_many(FAMILIES["Recurrent"], [each, *rolling(3)[1:]], EARLY, mse)[0]
    module = FAMILIES["Recurrent"]([each.seed])
    module.load_state_dict({name: torch.from_numpy(value) for name, value in made.state.items()})
    rows = each.valid
    inputs = torch.from_numpy((each.table.inputs[rows] - 5.0) / 2.0)
    targets = torch.from_numpy(each.table.targets[rows] - 1.5)
    assert float(mse(module(inputs[None]), targets[None])[0].detach()) == pytest.approx(
        made.valid_loss, rel=1e-4
    )


def test_folds_of_several_tables_are_trained_together():
    folds = [fold(table(seed=k), 0, 100, 30, k) for k in range(4)]
    many = train_many(FAMILIES["Recurrent"], folds, EARLY, mse)
    alone = [train_many(FAMILIES["Recurrent"], [each], EARLY, mse)[0] for each in folds]
    assert max(map(difference, many, alone)) < TOLERANCE


def test_a_batch_larger_than_a_fold_is_the_whole_fold():
    folds = [fold(table(), 0, rows, 10, rows) for rows in (7, 40)]
    asked = TrainingSettings(epochs=4, batch=64, learning_rate=0.01)
    for made, each in zip(train_many(FAMILIES["Linear"], folds, asked, mse), folds, strict=True):
        state, *_ = oracle.train_alone(FAMILIES["Linear"]([each.seed]), each, asked, mse)
        assert max(float(np.abs(made.state[n] - state[n].numpy()).max()) for n in state) < TOLERANCE


def test_without_early_stopping_no_validation_rows_are_needed():
    made = train_many(
        FAMILIES["Linear"], [fold(table(), 0, 100, 0, 1), fold(table(), 0, 100, 9, 2)], FIXED, mse
    )
    assert np.isnan(made[0].valid_loss)
    assert made[1].valid_loss > 0
    assert [each.epochs_run for each in made] == [4, 4]


def test_no_folds_give_no_models():
    assert train_many(FAMILIES["Linear"], [], FIXED, mse) == []


def poisoned(folds, place, value=1e30):
    """Return folds of which one was told targets beyond every bound."""
    windows = folds[place].table
    targets = windows.targets.copy()
    targets[:] = value
    broken = replace(folds[place], table=WindowTable(windows.inputs, targets))
    return [broken if k == place else each for k, each in enumerate(folds)]


@pytest.mark.parametrize("asked", [EARLY, FIXED], ids=["early stopping", "all epochs"])
@pytest.mark.parametrize("name", ["Recurrent", "looped"])
def test_a_fold_whose_loss_explodes_is_named_and_the_others_keep_their_models(name, asked):
    folds = rolling(4)
    made = train_many(FAMILIES[name], poisoned(folds, 2), asked, mse)
    failure = made[2]
    assert isinstance(failure, TrainingFailure)
    assert isinstance(failure.error, FitError)
    text = f"training of fold 2 failed: its training loss exploded to nan in epoch 1 at learning rate {asked.learning_rate:g}"
    assert str(failure.error) == text
    sound = train_many(FAMILIES[name], folds, asked, mse)
    assert max(difference(made[k], sound[k]) for k in (0, 1, 3)) < TOLERANCE


def test_a_huge_rate_explodes_and_is_tried_again_once_at_the_lower_rate():
    folds = rolling(3)
    asked = replace(FIXED, learning_rate=1e12)
    assert all(
        isinstance(each, TrainingFailure) for each in train_many(FAMILIES["Perceptron"], folds, asked, mse)
    )
    retried = train_many(FAMILIES["Perceptron"], folds, replace(asked, retry_rate=0.003), mse)
    sound = train_many(FAMILIES["Perceptron"], folds, FIXED, mse)
    assert max(map(difference, retried, sound)) == 0.0
    assert [each.learning_rate for each in retried] == [0.003] * 3
    again = train_many(FAMILIES["Perceptron"], folds, replace(asked, retry_rate=1e11), mse)
    assert all("at learning rate 1e+11" in each.reason for each in again)


def test_only_the_fold_that_exploded_is_trained_again():
    folds = poisoned(rolling(3), 1)
    made = train_many(FAMILIES["Recurrent"], folds, replace(FIXED, retry_rate=1e-5), mse)
    assert [getattr(each, "learning_rate", None) for each in made] == [0.003, None, 0.003]
    assert "at learning rate 1e-05" in made[1].reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_fail_the_folds_that_use_them_and_no_other(value):
    windows = table()
    windows.inputs[125, 3, 0] = value
    made = train_many(
        FAMILIES["Linear"], [fold(windows, 0, 90, 10, 1), fold(windows, 0, 110, 30, 2)], EARLY, mse
    )
    assert isinstance(made[0], TrainedModel)
    assert made[1].reason == "window 125 or its target is not finite"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"train": np.empty(0, np.int64)}, "it has no training rows"),
        ({"valid": np.empty(0, np.int64)}, "patience is 2 and it has no validation rows to stop by"),
        ({"valid": np.array([260])}, "rows 0 to 260 were asked of a table of 260"),
        ({"input_scale": np.array([0.0])}, "input_scale was [0.0]; every scale must be finite and above 0"),
        ({"target_scale": np.nan}, "target_scale was nan; every scale must be finite and above 0"),
        ({"target_centre": np.inf}, "a centre is not finite"),
    ],
)
def test_a_fold_that_cannot_be_trained_says_why(changed, reason):
    made = train_many(FAMILIES["Linear"], [replace(fold(table(), 0, 100, 20, 1), **changed)], EARLY, mse)[0]
    assert made.reason == reason


def test_windows_that_do_not_belong_together_are_refused():
    with pytest.raises(TrainingError, match=r"inputs \(3, 2, 1\) and targets \(4, 1\)"):
        WindowTable(np.zeros((3, 2, 1), np.float32), np.zeros((4, 1), np.float32))


def test_tables_of_other_shapes_in_one_call_are_refused():
    other = WindowTable(np.zeros((130, 5, 1), np.float32), np.zeros((130, 1), np.float32))
    with pytest.raises(TrainingError, match="windows of one architecture have one shape"):
        train_many(FAMILIES["Linear"], [fold(table(), 0, 100, 20, 1), fold(other, 0, 100, 20, 2)], EARLY, mse)


@pytest.mark.parametrize(
    ("key", "value"),
    [("epochs", 0), ("batch", 0), ("learning_rate", 0.0), ("patience", 0), ("precision", "half")],
)
def test_settings_that_make_no_sense_are_refused(key, value):
    with pytest.raises(SpecError, match=key):
        validated(TrainingSettings, {key: value}, "training")


def test_hardware_that_is_not_there_is_an_error():
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert chosen_device("auto") == torch.device("cpu")
    with pytest.raises(TrainingError, match="device was 'cuda' and this machine has no CUDA device"):
        train_many(FAMILIES["Linear"], rolling(1), replace(FIXED, device="cuda"), mse)


def test_bfloat16_trains_nearly_the_same_where_the_hardware_has_it(monkeypatch):
    asked = replace(FIXED, precision="bfloat16")
    if has_bfloat16(torch.device("cpu")):
        near = train_many(FAMILIES["Perceptron"], rolling(2), asked, mse)
        exact = train_many(FAMILIES["Perceptron"], rolling(2), FIXED, mse)
        assert [each.valid_loss for each in near] == pytest.approx(
            [each.valid_loss for each in exact], rel=0.05
        )
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with pytest.raises(TrainingError, match="precision was 'bfloat16' and this cpu has none"):
        train_many(FAMILIES["Perceptron"], rolling(1), asked, mse)


def test_a_smaller_last_batch_is_filled_with_other_samples_of_no_weight():
    order = RowOrder(np.arange(40, 110), seed=3, batch=32, width=32)
    assert order.epoch.shape == (3, 32)
    assert all(len(set(batch)) == 32 for batch in order.epoch.tolist())
    assert sorted(order.epoch[order.shares > 0].tolist()) == list(range(40, 110))


def test_weights_that_the_last_step_ruined_are_not_kept():
    each = fold(table(), 0, 16, 0, 3)
    asked = TrainingSettings(epochs=1, batch=16, learning_rate=3.5e38)
    made = train_many(FAMILIES["Linear"], [each], asked, mse)[0]
    assert made.reason == "its weights were not finite after epoch 1 at learning rate 3.5e+38"


def test_large_models_are_trained_in_smaller_groups(monkeypatch):
    sizes = []

    def build(seeds):
        sizes.append(len(seeds))
        return FAMILIES["Perceptron"](seeds)

    folds = rolling(5)
    whole = train_many(build, folds, FIXED, mse)
    assert sizes == [1, 5]
    monkeypatch.setattr("forecast.training.trainer.GROUP_WEIGHTS", 150)
    sizes.clear()
    parts = train_many(build, folds, FIXED, mse)
    assert sizes == [1, 2, 2, 1], "a perceptron has 65 weights"
    assert max(map(difference, whole, parts)) == 0.0
