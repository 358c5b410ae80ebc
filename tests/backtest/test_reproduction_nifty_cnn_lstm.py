"""NIFTY networks: the known rows are met, one fit a week, and nothing after a cutoff reaches its forecast."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.configuration import read_config
from backtest.errors import RunError
from backtest.reproductions.nifty_cnn_lstm import (
    NiftyCnnLstm,
    Run,
    Weeks,
    autoregressed,
    fitted_once,
    ratios,
    refit_weekly,
    repeated,
    verdict_of,
    weekly_losses,
)
from data.errors import DataError
from data.history import History
from data.panel import Panel
from data.registry import validated
from data.sessions import BarClock
from forecast.base import AbstractFitted
from forecast.models.cnn import Cnn
from forecast.models.naive import Naive
from forecast.randomness import RandomStreams

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "reproduce" / "nifty_cnn_lstm.yaml"


def asked(**changes: Any) -> NiftyCnnLstm:
    settings = {key: value for key, value in dict(read_config(CONFIG)).items() if key != "kind"}
    return validated(NiftyCnnLstm, {**settings, **changes}, "reproduction")


def made_weeks(count: int = 12, before: int = 60, seed: int = 0) -> Weeks:
    """Random opens and closes on a weekday grid."""
    rng, clock = np.random.default_rng(seed), BarClock("weekdays")
    rows = before + 5 * count
    opens = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(rows)))
    table = np.column_stack([opens, opens * 1.001])
    times = clock.next(np.datetime64("2019-12-31", "ns"), rows)
    history = History(Panel(times, ("NIFTY 50",), ("open", "close"), table[:, None]), clock)
    known = before - 1 + 5 * np.arange(count)
    return Weeks(
        history, times[known], opens[known[:, None] + np.arange(1, 6)], opens[known], table[known, 1]
    )


def small() -> Cnn:
    settings = {"field": "open", "target": "level", "context": 5, "horizon": 5, "epochs": 2}
    return validated(Cnn, {**settings, "patience": None, "validation_share": 0}, "network")


@lru_cache
def quick(folder: Path) -> dict[str, Any]:
    """The rows of the shipped reproduction with one short network."""
    networks = {"CNN_UNIV_5": {**asked().networks["CNN_UNIV_5"], "epochs": 1, "batch": 64}}
    names = ["CNN_UNIV_5"]
    told = asked(networks=networks, fitted_once=names, refit_weekly=names, seeds=[1, 2]).run(folder)
    assert "No skill shown" in told.verdict
    return {row.name: row for row in told.rows}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["last open", "last close", "AR(10), refit weekly"])
def test_the_rows_without_a_network_meet_the_known_figures(shared_data: Path, name: str) -> None:
    row = quick(shared_data)[f"{name}: RMSE over mean"]
    assert row.value == pytest.approx(row.published, abs=5e-6)
    assert row.low < row.value < row.high


@pytest.mark.shared_data
def test_the_window_is_that_of_the_papers(shared_data: Path) -> None:
    weeks = asked().weeks(shared_data)
    assert len(weeks.history.until(weeks.cutoffs[0]).times) == 2610
    assert weeks.opens.shape == (83, 5)
    assert weeks.opens.mean() == pytest.approx(11_069.78, abs=0.005)


@pytest.mark.shared_data
def test_a_network_is_fitted_once_or_once_a_week(shared_data: Path) -> None:
    rows = quick(shared_data)
    assert "CNN_UNIV_5, fitted once: CPU seconds, 1 fit" in rows
    assert "CNN_UNIV_5, fitted once: sd over 2 seeds" in rows
    assert "CNN_UNIV_5, refit weekly: CPU seconds, 83 fits" in rows
    assert rows["CNN_UNIV_5, refit weekly: skill"].p_value is not None


@pytest.mark.slow
@pytest.mark.shared_data
def test_a_network_trained_as_published_errs_more_than_the_last_open(shared_data: Path) -> None:
    whole = replace(asked(), fitted_once=("CNN_UNIV_10",), refit_weekly=())
    weeks = whole.weeks(shared_data)
    runs = {name: make() for name, make in whole.runs(weeks).items()}
    assert (
        ratios(weeks.opens, runs["CNN_UNIV_10, fitted once"].points).min()
        > ratios(weeks.opens, runs["last open"].points)[0]
    )


def test_missing_data_names_the_file_and_the_option(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nifty50_daily_merged_2007_2023.csv' was not found .* --data"):
        asked().run(tmp_path)


def test_every_week_has_a_fit_of_its_own_that_ends_at_its_cutoff() -> None:
    weeks = made_weeks()
    run = refit_weekly(small(), weeks, 1)
    assert run.fits == len(weeks.cutoffs)
    train = weeks.history.until(weeks.cutoffs[7])
    alone = small().fit(train, RandomStreams(1, train.cutoff))
    made = alone.predict(train, RandomStreams(0, train.cutoff)).median[0]
    np.testing.assert_allclose(run.points[0, 7], made, rtol=1e-4)


def test_one_fit_for_all_weeks_is_not_taken_for_a_weekly_refit() -> None:
    class Lazy(Naive):
        def fit_many(self, trains: Any, rngs: Any) -> list[AbstractFitted]:
            return [self.fit(trains[0], rngs[0])] * len(trains)

    with pytest.raises(RunError, match="1 models were fitted for 12 weeks; each week needs its own"):
        refit_weekly(Lazy(context=5, horizon=5, field="open"), made_weeks(), 1)


@pytest.mark.parametrize("forecast", ["once", "weekly", "ar"])
def test_what_comes_after_a_cutoff_does_not_move_its_forecast(forecast: str) -> None:
    weeks, model = made_weeks(), small()
    makers = {
        "once": lambda part: fitted_once(model, part, (1,)),
        "weekly": lambda part: refit_weekly(model, part, 1),
        "ar": lambda part: autoregressed(part, 10),
    }
    values = weeks.history.panel.values.copy()
    values[weeks.history.times > weeks.cutoffs[6]] *= 2.0
    changed = replace(
        weeks, history=replace(weeks.history, panel=replace(weeks.history.panel, values=values))
    )
    before, after = (makers[forecast](part).points[0, :7] for part in (weeks, changed))
    np.testing.assert_allclose(before, after, rtol=1e-5)


def test_the_last_value_scores_as_repeated() -> None:
    weeks = made_weeks()
    run = repeated(weeks.last_open)
    gaps = weeks.opens - weeks.last_open[:, None]
    assert ratios(weeks.opens, run.points)[0] == pytest.approx(np.sqrt(np.mean(gaps**2)) / weeks.opens.mean())
    np.testing.assert_allclose(weekly_losses(weeks.opens, run.points), np.mean(gaps**2, axis=1))


def test_skill_is_claimed_only_where_the_test_shows_it() -> None:
    weeks = made_weeks()
    runs = {
        "last open": repeated(weeks.last_open),
        "GOOD, fitted once": Run(weeks.opens[None] * 1.0001, 1.0, 1),
        "BAD, refit weekly": Run(weeks.opens[None] * 1.2, 1.0, 12),
    }
    p_values = {name: row.p_value for name, row in p_rows(weeks, runs).items()}
    told = verdict_of(weeks, runs, p_values)
    assert told.startswith(
        "Skill shown by GOOD, fitted once. 1 of 2 networks err more than repeating the last open"
    )
    assert "before each of 12 weeks" in told
    none = {name: runs[name] for name in ("last open", "BAD, refit weekly")}
    assert verdict_of(weeks, none, {"BAD, refit weekly": 1.0}).startswith("No skill shown.")


def p_rows(weeks: Weeks, runs: dict[str, Run]) -> dict[str, Any]:
    rows = asked().judged(weeks, runs).rows
    return {row.name.removesuffix(": skill"): row for row in rows if row.name.endswith(": skill")}


def test_an_autoregression_follows_a_trend() -> None:
    weeks = made_weeks()
    opens = 100 * 1.001 ** np.arange(len(weeks.history.times))
    values = np.repeat(opens[:, None, None], 2, axis=2)
    trend = replace(weeks, history=replace(weeks.history, panel=replace(weeks.history.panel, values=values)))
    made = autoregressed(trend, 3).points[0]
    first = int(np.searchsorted(weeks.history.times, weeks.cutoffs[0]))
    np.testing.assert_allclose(made[0], opens[first + 1 : first + 6], rtol=1e-8)


def test_networks_are_specifications_the_registry_knows() -> None:
    weeks = made_weeks()
    whole = replace(asked(), fitted_once=tuple(asked().networks), refit_weekly=tuple(asked().networks))
    assert len(whole.runs(weeks)) == 4 + 2 * 5
