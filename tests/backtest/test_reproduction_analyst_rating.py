"""The analyst-rating reproduction: exact arithmetic, honest features, and the leaky split beside the purged one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.configuration import read_config
from backtest.errors import FoldError
from backtest.reproductions.analyst_rating import (
    AnalystRating,
    grown_forest,
    implied_shares,
    indicators,
    purged_parts,
    random_parts,
    read_prices,
    samples_of,
)
from data.errors import DataError
from data.registry import validated
from forecast.labels import base_rates

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "reproduce" / "analyst_rating.yaml"


def asked(**changes):
    config = read_config(CONFIG)
    config.pop("kind")
    return validated(AnalystRating, {**config, **changes}, "analyst_rating")


@pytest.mark.parametrize(
    ("accuracy", "precision", "down", "forecasts", "recall", "gain"),
    [
        (0.8362, 0.85, 0.817, 0.027, 0.1266, 0.019),
        (0.83615, 0.855, 0.816, 0.028, 0.131, 0.020),
        (0.83615, 0.845, 0.818, 0.026, 0.1225, 0.018),
    ],
)
def test_the_abstract_implies_the_published_shares(accuracy, precision, down, forecasts, recall, gain):
    bound = implied_shares(accuracy, precision, 0.995)
    assert bound.down_share == pytest.approx(down, abs=5e-4)
    assert bound.up_forecasts == pytest.approx(forecasts, abs=5e-4)
    assert bound.up_recall == pytest.approx(recall, abs=5e-4)
    assert bound.gain == pytest.approx(gain, abs=6e-4)


def test_the_implied_shares_are_those_of_a_confusion_matrix():
    down, recall, precision = 800, 0.75, 0.8
    missed = down * (1 - recall)
    right_up = missed * precision / (1 - precision)
    up, total = 1000.0, 1800.0
    accuracy = (down * recall + right_up) / total
    bound = implied_shares(accuracy, precision, recall)
    assert bound.down_share == pytest.approx(down / total)
    assert bound.up_forecasts == pytest.approx((missed + right_up) / total)
    assert bound.up_recall == pytest.approx(right_up / up)


def test_a_higher_recall_leaves_a_larger_share_and_fewer_up_forecasts():
    few, many = implied_shares(0.8362, 0.85, 0.995), implied_shares(0.8362, 0.85, 0.999)
    assert many.down_share > few.down_share
    assert many.up_forecasts < few.up_forecasts
    assert many.up_recall < few.up_recall


def made_file(folder, days=260):
    dates = pd.bdate_range("2015-01-12", periods=days)
    rng = np.random.default_rng(0)
    parts = []
    for name in ("A", "B", "C"):
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.015, days)))
        parts.append(
            pd.DataFrame(
                {
                    "Symbol": name,
                    "Date": dates,
                    "High": close,
                    "Close": close,
                    "Adj Close": close,
                    "Volume": rng.integers(100, 1000, days),
                }
            )
        )
    frame = pd.concat([*parts, parts[0].head(3)])[
        lambda each: ~((each["Symbol"] == "C") & (each["Date"] == dates[5]))
    ]
    (folder / "equities").mkdir()
    frame.to_parquet(folder / "equities" / "sp500_daily_2015_2020.parquet")
    return folder / "equities" / "sp500_daily_2015_2020.parquet"


def test_rows_held_twice_and_incomplete_stocks_are_left_out(tmp_path):
    prices = read_prices(made_file(tmp_path))
    assert prices.complete.tolist() == ["A", "B"]
    assert len(prices.of("A", "Close")) == 260


def test_indicators_read_no_later_row():
    rng = np.random.default_rng(1)
    closes = pd.Series(50 * np.exp(np.cumsum(rng.normal(0, 0.02, 300))))
    volumes = pd.Series(rng.integers(100, 900, 300).astype(float))
    whole = indicators(closes, volumes)
    assert whole.shape == (300, 8)
    assert np.isfinite(whole[190:]).all()
    for cut in (200, 250):
        changed = closes.copy()
        changed[cut:] *= 2.0
        np.testing.assert_array_equal(indicators(changed, volumes)[:cut], whole[:cut])


def test_samples_begin_where_slow_features_are_there_and_end_where_labels_are_known(tmp_path):
    prices = read_prices(made_file(tmp_path))
    made = samples_of(prices, prices.complete, 10, 0.01, 190)
    assert np.isfinite(made.features).all()
    assert (made.dates.min(), made.dates.max(), len(made.dates)) == (190, 249, 120)
    assert made.first(5).features.shape == (120, 5)


def test_a_gap_shorter_than_the_labels_is_refused(tmp_path):
    with pytest.raises(FoldError, match="gap was 8; labels known 10 dates later need at least 9"):
        asked(gap=8).run(tmp_path)


def test_missing_data_names_the_file_and_the_option(tmp_path):
    with pytest.raises(DataError, match="sp500_daily_2015_2020.parquet' was not found .* --data"):
        asked().run(tmp_path)


def test_the_purged_parts_leave_the_gap_between(tmp_path):
    made = samples_of(prices := read_prices(made_file(tmp_path)), prices.complete, 10, 0.01, 190)
    parts = purged_parts(made, 0.2, 9)
    last, first = made.dates[parts.train].max(), made.dates[parts.test].min()
    assert first - last == 10
    drawn = random_parts(made, 0.2, np.random.default_rng(0))
    assert sorted([*drawn.train, *drawn.test]) == list(range(120))


@pytest.mark.slow
@pytest.mark.shared_data
def test_split_at_random_the_forest_says_0_746_and_purged_0_421(shared_data):
    claim = asked()
    prices = read_prices(shared_data / claim.file)
    rng = np.random.default_rng(claim.seed)
    chosen = rng.choice(prices.complete, claim.stocks, replace=False)
    table = samples_of(prices, chosen, claim.horizon, claim.threshold, claim.first_row)
    assert table.features.shape == (42_360, 8)
    # The first draw is that of the five technical features alone.
    random_parts(table, claim.test_share, rng)
    leaky = random_parts(table, claim.test_share, rng)
    purged = purged_parts(table, claim.test_share, claim.gap)
    # Forests of another scikit-learn may differ by a few samples of 8,480.
    for parts, accuracy, commonest in ((leaky, 0.746, 0.472), (purged, 0.421, 0.489)):
        forest = grown_forest(claim.trees, claim.seed).fit(
            table.features[parts.train], table.classes[parts.train]
        )
        truth = table.classes[parts.test]
        assert (forest.predict(table.features[parts.test]) == truth).mean() == pytest.approx(
            accuracy, abs=0.006
        )
        assert base_rates(truth).max() == pytest.approx(commonest, abs=6e-4)
        if parts is leaky:
            # The forest's own importances, too, put the three slow features first.
            assert set(np.argsort(-forest.feature_importances_)[:3]) == {5, 6, 7}


@pytest.fixture(scope="module")
def done(shared_data):
    return asked(trees=20, ranked_trees=8).run(shared_data)


@pytest.mark.slow
@pytest.mark.shared_data
def test_with_few_trees_every_figure_but_the_forests_is_met_and_those_are_near(done):
    told = [row for row in done.rows if row.published is not None]
    assert len(told) == 22
    for row in told:
        by_forest = row.name.endswith(("accuracy", "precision of up"))
        assert row.value == pytest.approx(row.published, abs=0.04 if by_forest else 6e-4), row.name


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_random_split_needs_the_slow_features_and_the_purged_one_does_not(done):
    rows = {row.name: row.value for row in done.rows}
    assert rows["random split: accuracy lost when a slow feature is shuffled"] > 0.1
    assert rows["purged split: accuracy lost when a slow feature is shuffled"] < 0.01


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_verdict_says_that_no_skill_is_shown(done):
    assert done.verdict.startswith("No skill shown: split at random the forest says 0.7")
    assert "81.7% down labels" in done.verdict
