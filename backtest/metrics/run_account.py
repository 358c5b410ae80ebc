"""Run account: a stored run's account as other tools would read it."""

from backtest.equity_tables import session_dates
from backtest.metrics.dated import DatedEquity
from backtest.metrics.returns import until_ruin
from backtest.metrics.trades import trades_from
from backtest.run import Run
from data.errors import SpecError, nearest
from data.sessions import BarClock


def run_account(run: Run, lane: str | None = None) -> DatedEquity:
    """Return the curve of one lane of a run, from its first bar to its end or ruin, with session dates and trades.

    Args:
        run: a stored run.
        lane: label of the account; None means the judged one.

    Raises:
        SpecError: when the run has no such lane; the message names the nearest.
    """
    label = run_lane(run, lane)
    facts, equity, trades = run.manifest["data"], run.tables["equity"], run.tables["trades"]
    own = equity[equity["lane"] == label]
    curve = until_ruin(own["equity"].to_numpy())
    clock = BarClock(facts["calendar"], facts["bar"])
    dates = session_dates(own["time"].to_numpy()[: len(curve)], clock)
    periods = float(facts["periods_per_year"])
    return DatedEquity(curve, dates, periods, trades_from(trades[trades["lane"] == label], periods))


def run_lane(run: Run, lane: str | None) -> str:
    """Return the lane asked for, or the judged one when None.

    Raises:
        SpecError: when the run has no such lane; the message names the nearest.
    """
    known = list(dict.fromkeys(map(str, run.tables["equity"]["lane"])))
    label = str(run.manifest["primary"]) if lane is None else lane
    if label not in known:
        raise SpecError(f"lane '{label}' is not in the run{nearest(label, known)}")
    return label
