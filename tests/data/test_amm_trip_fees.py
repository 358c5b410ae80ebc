"""Claims about fees collected on chain: the path formula says the same, from the mint to the burn and not a swap more."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from data.amm.event_log import EventLog
from data.amm.trip_fees import trip_fees

_PATH = Path(__file__).parents[1] / "oracles" / "exact_logs.py"
_SPEC = importlib.util.spec_from_file_location("exact_logs", _PATH)
logs = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(logs)

WIDE, NARROW = logs.WIDE, logs.NARROW
TRADES = (("swap", 10**17, True, None), ("swap", 3 * 10**17, False, None))


def one_trip(*inside, before=(), after=()):
    actions = [
        ("mint", WIDE, 10**21),
        *before,
        ("mint", NARROW, 10**21),
        *inside,
        ("burn", NARROW, 10**21),
        ("collect", NARROW),
        *after,
    ]
    return logs.collected_at_once(actions)


def test_the_formula_says_what_the_contract_paid():
    (fees,) = trip_fees(one_trip(*TRADES, before=TRADES, after=TRADES), logs.POOL)
    assert fees.trip.fees0 > 0
    assert fees.trip.fees1 > 0
    assert (fees.fees0, fees.fees1) == pytest.approx((fees.trip.fees0, fees.trip.fees1), rel=1e-9)
    assert abs(fees.error) < 1e-9
    assert fees.opened.startswith("block 103, log 3")


def test_swaps_outside_its_life_pay_a_position_nothing():
    (quiet,) = trip_fees(one_trip(before=TRADES, after=TRADES), logs.POOL)
    assert (quiet.fees0, quiet.fees1, quiet.collected) == (0.0, 0.0, 0.0)
    assert np.isnan(quiet.error)


def test_a_position_minted_before_any_price_is_known_is_left_out():
    log = one_trip(*TRADES)
    unknown = EventLog(log.times, log.events)
    assert trip_fees(unknown, logs.POOL) == ()


@pytest.mark.shared_data
def test_on_a_real_day_the_formula_is_right_to_a_few_parts_in_a_million(real_day, usdc_weth):
    errors = np.abs([fees.error for fees in trip_fees(real_day, usdc_weth) if fees.collected])
    assert len(errors) == 35
    assert errors.max() < 5e-6
    assert np.median(errors) < 2.5e-10
