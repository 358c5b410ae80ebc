"""Historical bootstrap: blocks that are blocks, quantiles that are those of the changes, and streams by name."""

import numpy as np
import pytest

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.checks import synthetic_history
from forecast.errors import FitError
from forecast.models.bootstrap import HistoricalBootstrap, block_rows
from forecast.randomness import RandomStreams

RNG = RandomStreams(1, np.datetime64("2020-01-01", "ns"))


def history_of(values):
    clock = BarClock()
    times = clock.next(np.datetime64("2019-12-31", "ns"), len(values))
    return History(Panel(times, ("S0",), ("close",), np.asarray(values, float)[:, None, None]), clock)


def joined(rows, count):
    return (np.diff(rows, axis=0) % count) == 1


def test_circular_blocks_run_on_for_exactly_their_length():
    rows = block_rows(
        50, HistoricalBootstrap(blocks="circular", block=4, horizon=12), np.random.default_rng(0)
    )
    assert joined(rows, 50)[[0, 1, 2, 4, 5, 6, 8, 9, 10]].all()
    assert joined(rows, 50)[[3, 7]].mean() < 0.1


def test_stationary_blocks_have_the_mean_length_asked():
    rows = block_rows(10_000, HistoricalBootstrap(block=5, horizon=400), np.random.default_rng(0))
    assert abs((1 - joined(rows, 10_000)).mean() - 1 / 5) < 0.005


@pytest.mark.parametrize("blocks", ["stationary", "circular"])
def test_every_past_change_is_drawn_equally_often_at_every_step(blocks):
    asked = HistoricalBootstrap(blocks=blocks, block=7, horizon=20, paths=20_000)
    rows = block_rows(10, asked, np.random.default_rng(0))
    assert rows.min() == 0
    assert rows.max() == 9
    shares = np.array([(rows == change).mean(axis=1) for change in range(10)])
    assert np.abs(shares - 0.1).max() < 0.012


def test_single_bars_one_step_ahead_are_quantiles_of_the_changes():
    changes = 0.01 * np.random.default_rng(3).normal(size=400)
    history = history_of(100 * np.exp(np.cumsum(changes)))
    asked = HistoricalBootstrap(block=1, horizon=1, paths=100_000)
    made = asked.fit(history, RNG).predict(history, RNG)
    expected = made.last[0] * np.exp(np.quantile(changes[1:], asked.levels))
    np.testing.assert_allclose(made.values[0, 0], expected, rtol=1.5e-3)


def test_momentum_in_the_changes_survives_in_long_blocks():
    changes = np.repeat(np.random.default_rng(3).choice([-0.01, 0.01], 100), 10)
    history = history_of(100 * np.exp(np.cumsum(changes)))

    def width(block):
        made = HistoricalBootstrap(block=block, horizon=10).fit(history, RNG).predict(history, RNG)
        return made.quantile(0.9)[0, 9] - made.quantile(0.1)[0, 9]

    assert width(50) > 1.5 * width(1)


def test_paths_begin_at_the_last_value_and_give_the_quantiles():
    history = synthetic_history()
    fitted = HistoricalBootstrap(horizon=3).fit(history, RNG)
    paths = fitted.sample(history, RNG)
    made = fitted.predict(history, RNG)
    assert paths.samples.shape == (3, 3, 2000)
    np.testing.assert_array_equal(np.median(paths.samples, axis=2), made.median)
    np.testing.assert_array_equal(paths.last, history.panel.field("close")[-1])


def test_a_series_is_drawn_by_its_name_alone():
    history = synthetic_history()
    alone = history.select(("BETA",))
    asked = HistoricalBootstrap(horizon=3)
    whole, single = (asked.fit(each, RNG).predict(each, RNG) for each in (history, alone))
    assert whole.values[2].tobytes() == single.values[0].tobytes()
    assert asked.fit(history, RNG).predict(history, RandomStreams(2, RNG.cutoff)).values.tobytes() != (
        whole.values.tobytes()
    )


def test_differences_forecast_values_of_any_sign():
    values = np.cumsum(np.random.default_rng(1).normal(size=300))
    with pytest.raises(SpecError, match="set 'changes: difference'"):
        HistoricalBootstrap().fit(history_of(values), RNG)
    made = (
        HistoricalBootstrap(changes="difference")
        .fit(history_of(values), RNG)
        .predict(history_of(values), RNG)
    )
    assert abs(made.median[0, 0] - values[-1]) < 0.5


def test_twenty_changes_are_needed():
    with pytest.raises(FitError, match="20 rows and no series with 20 changes"):
        HistoricalBootstrap(context=5).fit(history_of(np.arange(1.0, 21.0)), RNG)


@pytest.mark.parametrize(
    "wrong", [{"quantity": "variance"}, {"block": 0}, {"paths": 10}, {"blocks": "moving"}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="validation error"):
        HistoricalBootstrap(**wrong)
