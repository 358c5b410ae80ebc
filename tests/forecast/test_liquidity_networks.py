"""Boosted trees and the LSTM of a pool: what they see, what they are asked, and what they find."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data.errors import SpecError
from forecast.errors import FitError, ForecastError
from forecast.liquidity import LIQUIDITY_FORECASTERS
from forecast.liquidity_checks import fit, predict, synthetic_pool_history
from forecast.models.liquidity.boosting import BoostedProfile
from forecast.models.liquidity.features import KINDS, floors_of, span_features, usual_levels
from forecast.models.liquidity.labels import training_spans
from forecast.models.liquidity.lstm import BINS, SIZES, LstmProfile, _start, _targets
from forecast.models.liquidity.rows import context_rows, training_rows
from forecast.storage import load_with_spec, save_with_spec

HISTORY = synthetic_pool_history(700)
TREES = BoostedProfile(
    context=72, horizon=12, rounds=20, trained_levels=3, least_leaf=10, bins=41, bin_ticks=20.0
)
NETWORK = LstmProfile(context=72, horizon=12, step=6, units=4, seeds=2, epochs=3, bins=41, bin_ticks=20.0)


def test_features_of_a_context_are_those_of_the_whole_history():
    rows = training_rows(HISTORY, 100)
    floors = floors_of(rows)
    recent = context_rows(HISTORY, 72)
    for span in (1, 12, 71):
        whole = span_features(rows, floors, usual_levels(rows, floors, 72), span)[-1]
        part = span_features(recent, floors, usual_levels(recent, floors, 72), span)[-1]
        np.testing.assert_allclose(part, whole, rtol=1e-6, atol=1e-9)
        assert whole.shape == (KINDS,)


def test_features_are_what_they_are_called():
    rows = training_rows(HISTORY, 100)
    floors, t, span = floors_of(rows), 400, 24
    usual = usual_levels(rows, floors, 72)
    path, variance, tilt, move, flow, swaps, depth = span_features(rows, floors, usual, span)[t]
    inside = slice(t - span + 1, t + 1)
    up, down = rows.field("path_up")[inside].sum(), rows.field("path_down")[inside].sum()
    change = rows.log_price[t] - rows.log_price[t - span]
    assert path == pytest.approx(np.log((up + down) / span / rows.path[t - 71 : t + 1].mean()))
    assert variance == pytest.approx(
        np.log(rows.field("variance")[inside].mean() / rows.field("variance")[t - 71 : t + 1].mean())
    )
    assert tilt == pytest.approx((up - down) / (up + down), abs=1e-9)
    assert move == pytest.approx(change / np.sqrt(rows.field("variance")[inside].sum()))
    assert flow == pytest.approx(
        rows.field("flow")[inside].sum() / rows.field("volume")[inside].sum(), abs=1e-9
    )
    assert swaps == pytest.approx(np.log1p(rows.field("swaps")[inside].mean()))
    assert depth == pytest.approx(0.0, abs=1e-9)


def test_no_span_that_is_learnt_from_ends_after_the_held_out_ones_begin():
    spans = training_spans(HISTORY, TREES)
    origins = spans.labels.origins
    assert origins[spans.kept].max() + TREES.horizon <= origins[spans.checked].min()
    assert origins.max() + TREES.horizon == len(spans.rows) - 1
    assert origins.min() >= TREES.context - 1


def test_labels_are_the_coming_span_in_usual_units():
    spans = training_spans(HISTORY, TREES)
    labels, rows = spans.labels, spans.rows
    t = int(labels.origins[30])
    coming, behind = slice(t + 1, t + 13), slice(t - 71, t + 1)
    assert labels.path[30] == pytest.approx(np.log(rows.path[coming].mean() / rows.path[behind].mean()))
    usual = 12 * rows.field("variance")[behind].mean()
    assert labels.change[30] == pytest.approx((rows.log_price[t + 12] - rows.log_price[t]) / np.sqrt(usual))


@pytest.mark.parametrize("spec", [TREES, NETWORK], ids=["lightgbm", "lstm"])
def test_a_louder_past_is_followed_by_a_longer_path(spec):
    fitted = fit(spec, HISTORY)
    path = (HISTORY.panel.field("path_up") + HISTORY.panel.field("path_down"))[:, 0]
    level = np.convolve(path, np.ones(72), "valid")
    rows = np.arange(100, 690)
    ends = rows[np.argmin(level[rows - 71])], rows[np.argmax(level[rows - 71])]
    calm, wild = (predict(fitted, HISTORY.until(HISTORY.times[t])) for t in ends)
    assert wild.profile.values.sum() > calm.profile.values.sum()
    assert wild.variance > calm.variance


@pytest.mark.parametrize("spec", [TREES, NETWORK], ids=["lightgbm", "lstm"])
def test_too_few_spans_are_a_fit_error(spec):
    with pytest.raises(FitError, match="spans to learn from"):
        fit(spec, HISTORY.until(HISTORY.times[150]))


def test_an_lstm_reads_steps_that_fill_its_context_and_no_bar_more():
    assert NETWORK.steps == 11
    rows = context_rows(HISTORY, NETWORK.context)
    floors = floors_of(training_rows(HISTORY, 100))
    usual = usual_levels(rows, floors, NETWORK.usual)
    inputs = NETWORK.windows(rows, floors, usual, np.array([len(rows) - 1]))
    assert inputs.shape == (1, 11, KINDS + 6)
    assert np.isfinite(inputs).all()


def test_an_lstm_says_shares_that_add_up_to_one():
    fitted = fit(NETWORK, HISTORY)
    rows = context_rows(HISTORY, NETWORK.context)
    usual = usual_levels(rows, fitted.learnt["floors"], NETWORK.usual)
    said = fitted.said(NETWORK.windows(rows, fitted.learnt["floors"], usual, np.array([len(rows) - 1])))
    assert said.shape == (1, NETWORK.outputs)
    assert said[0, SIZES : SIZES + 2 * BINS].sum() == pytest.approx(1.0, abs=1e-6)


def test_the_training_of_an_lstm_begins_at_what_is_right_in_the_mean():
    spans = training_spans(HISTORY, NETWORK)
    start = _start(_targets(spans), NETWORK.levels)
    assert start.shape == (NETWORK.outputs,)
    assert start[0] == pytest.approx(spans.labels.path.mean())
    shares = np.exp(start[SIZES : SIZES + 2 * BINS])
    mean = spans.shares(np.arange(len(spans.labels.origins))).mean(axis=0).ravel()
    np.testing.assert_allclose(shares, np.maximum(mean, 0.01 / len(mean)))
    np.testing.assert_allclose(start[SIZES + 2 * BINS :], np.quantile(spans.labels.change, NETWORK.levels))


def test_two_seeds_of_an_lstm_differ_and_are_averaged():
    fitted = fit(NETWORK, HISTORY)
    kernel = fitted.weights["0.kernel"]
    assert kernel.shape[0] == 2
    assert (kernel[0] != kernel[1]).any()
    window = np.zeros((1, NETWORK.steps, KINDS + 6))
    alone = [replace_weights(fitted, member).said(window)[0, :SIZES] for member in range(2)]
    np.testing.assert_allclose(fitted.said(window)[0, :SIZES], np.mean(alone, axis=0), rtol=1e-5, atol=1e-7)


def replace_weights(fitted, member):
    one = replace(fitted.spec, seeds=1)
    return type(fitted)(
        one, fitted.learnt, {name: w[member : member + 1] for name, w in fitted.weights.items()}
    )


def test_a_stored_lstm_of_another_format_or_shape_is_refused(tmp_path):
    fitted = fit(NETWORK, HISTORY)
    save_with_spec(LIQUIDITY_FORECASTERS, fitted, tmp_path / "a")
    facts = tmp_path / "a" / "network.json"
    facts.write_text(json.dumps({"format": 99}))
    with pytest.raises(ForecastError, match="format 99"):
        load_with_spec(LIQUIDITY_FORECASTERS, tmp_path / "a")
    facts.write_text(json.dumps({"format": 1}))
    with pytest.raises(ForecastError, match="do not fit"):
        replace(NETWORK, units=5).load(tmp_path / "a")
    (tmp_path / "a" / "network.safetensors").write_bytes(b"nothing")
    with pytest.raises(ForecastError, match="cannot be read"):
        load_with_spec(LIQUIDITY_FORECASTERS, tmp_path / "a")


def test_an_lstm_needs_two_steps():
    with pytest.raises(SpecError, match="two steps or more"):
        LIQUIDITY_FORECASTERS.build({"kind": "lstm", "context": 24, "step": 12})


def test_the_loss_of_the_lstm_is_errors_and_surprise_and_pinball():
    import torch

    from forecast.models.liquidity.profile_network import profile_loss

    rng = np.random.default_rng(4)
    said, shares = rng.standard_normal((1, 2, 2 + 4 + 3)), rng.dirichlet(np.ones(4), 2)
    sizes, change = rng.standard_normal((2, 2)), rng.standard_normal((2, 1))
    asked = np.concatenate([sizes, shares, change], axis=1)[None]
    levels = np.array([0.1, 0.5, 0.9])
    expected = []
    for output, target in zip(said[0], asked[0], strict=True):
        logs = output[2:6] - np.log(np.exp(output[2:6]).sum())
        short = target[6] - output[6:]
        expected.append(
            ((output[:2] - target[:2]) ** 2).mean()
            - (target[2:6] * logs).sum()
            + np.maximum(levels * short, (levels - 1) * short).mean()
        )
    loss = profile_loss(4, levels.tolist())
    made = loss(torch.tensor(said, dtype=torch.float32), torch.tensor(asked, dtype=torch.float32))
    np.testing.assert_allclose(made.numpy(), [np.mean(expected)], rtol=1e-5)
