"""Claims about histories: one cut for everything that was known."""

import numpy as np
import pytest

from data.errors import PanelError
from data.events import CorporateActions, ReleasedFacts
from data.history import History
from data.panel import Panel
from data.sessions import BarClock

DAYS = np.datetime64("2020-01-01", "ns") + np.arange(6).astype("timedelta64[D]")


def history(**changes):
    panel = Panel(DAYS, ("A", "B"), ("close",), np.arange(12.0).reshape(6, 2, 1))
    actions = CorporateActions(DAYS[[1, 3]], np.array(["A", "B"]), np.array([2.0, 1.0]), np.array([0.0, 0.5]))
    facts = ReleasedFacts(
        DAYS[[0, 0]], DAYS[[2, 4]], np.array(["A", "B"]), np.array(["eps", "eps"]), np.ones(2)
    )
    return History(**{"panel": panel, "clock": BarClock(), "actions": actions, "facts": facts, **changes})


def test_until_cuts_bars_actions_and_facts_at_their_own_clocks():
    known = history().until(DAYS[2])
    assert known.cutoff == DAYS[2]
    assert known.actions.series.tolist() == ["A"]
    assert known.facts.series.tolist() == ["A"]
    assert len(history().until(DAYS[1]).facts) == 0


def test_between_keeps_the_facts_known_before_it_but_not_the_actions():
    cut = history().between(DAYS[3], DAYS[4])
    assert len(cut.panel) == 2
    assert cut.actions.series.tolist() == ["B"]
    assert len(cut.facts) == 2


def test_last_keeps_bars_only_and_all_actions():
    cut = history().last(2)
    assert len(cut.panel) == 2
    assert len(cut.actions) == 2


def test_select_takes_the_actions_and_marks_of_its_series():
    chosen = history(untradable=frozenset({"A", "B"})).select(["B"])
    assert chosen.panel.series == ("B",)
    assert chosen.actions.series.tolist() == ["B"]
    assert chosen.untradable == {"B"}


def test_a_history_without_rows_has_no_cutoff():
    with pytest.raises(PanelError, match="has no rows"):
        _ = history().until("2000-01-01").cutoff


def test_an_untradable_series_must_exist():
    with pytest.raises(PanelError, match="untradable series 'Z' is not in the panel; allowed: A, B"):
        history(untradable=frozenset({"Z"}))


def test_everything_that_can_change_a_result_changes_the_fingerprint():
    base = history()
    others = [
        history(clock=BarClock("weekdays")),
        history(untradable=frozenset({"A"})),
        history(actions=CorporateActions()),
        history(facts=ReleasedFacts()),
        base.until(DAYS[4]),
        base.select(["B", "A"]),
    ]
    assert len({base.fingerprint(), *(other.fingerprint() for other in others)}) == 7
    assert history(notes=("told",)).fingerprint() == base.fingerprint() == history().fingerprint()
