"""Claims about what happens beside the bars: order, ranges and cuts by the right clock."""

import numpy as np
import pytest

from data.errors import PanelError
from data.events import CorporateActions, ReleasedFacts

DAYS = np.datetime64("2020-01-01", "ns") + np.arange(4).astype("timedelta64[D]")
NAMES = np.array(["A", "B", "A", "B"])
ONES, ZEROS = np.ones(4), np.zeros(4)


def facts(event=DAYS, available=DAYS):
    return ReleasedFacts(event, available, NAMES, np.full(4, "eps"), np.arange(4.0))


def test_no_actions_and_no_facts_are_the_defaults():
    assert len(CorporateActions()) == len(ReleasedFacts()) == 0
    assert len(CorporateActions().until(DAYS[0])) == 0


def test_actions_are_cut_by_their_stamp_both_ends_included():
    actions = CorporateActions(DAYS, NAMES, ONES, ZEROS)
    assert actions.until(DAYS[1]).times.tolist() == DAYS[:2].tolist()
    assert actions.between(DAYS[1], DAYS[2]).times.tolist() == DAYS[1:3].tolist()


def test_facts_are_cut_by_their_release_and_never_by_their_event():
    later = facts(available=DAYS + np.timedelta64(30, "D"))
    assert len(later.until(DAYS[3])) == 0
    assert later.until(DAYS[1] + np.timedelta64(30, "D")).values.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: CorporateActions(DAYS[::-1], NAMES, ONES, ZEROS),
            "corporate actions are not ordered by time",
        ),
        (lambda: CorporateActions(DAYS, NAMES[:2], ONES, ZEROS), "length 4 and 2; they must agree"),
        (
            lambda: CorporateActions(DAYS, NAMES, ZEROS, ZEROS),
            "split ratio was 0.0; allowed: finite and above 0",
        ),
        (
            lambda: CorporateActions(DAYS, NAMES, ONES, -ONES),
            "dividend was -1.0; allowed: finite and not below 0",
        ),
        (lambda: CorporateActions(DAYS, NAMES, ONES, ONES * np.nan), "dividend was nan"),
        (lambda: facts(available=DAYS[::-1]), "released facts are not ordered"),
        (
            lambda: facts(event=DAYS + np.timedelta64(1, "D")),
            "fact 'eps' of A was available at .* before its event",
        ),
    ],
)
def test_what_cannot_have_happened_is_refused(make, words):
    with pytest.raises(PanelError, match=words):
        make()


def test_columns_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        CorporateActions(DAYS, NAMES, ONES, ZEROS).splits[0] = 2.0
