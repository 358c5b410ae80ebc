"""Costs: defaults, arithmetic and what must be asked for."""

import pytest

from backtest.costs import COSTS, AbstractCosts, CommissionTier, Crypto, CustomCosts, NoCosts, UsEquities
from data.errors import SpecError


def numbers(costs: AbstractCosts):
    return (costs.commission_bps, costs.half_spread_bps, costs.slippage_bps, costs.borrow_bps_per_year)


def test_the_published_defaults():
    assert numbers(UsEquities()) == (0, 2, 3, 50)
    assert numbers(Crypto()) == (10, 0, 3, 0)
    assert numbers(NoCosts()) == (0, 0, 0, 0)


def test_a_round_trip_pays_twice_and_a_short_pays_its_time():
    assert UsEquities().round_trip() == pytest.approx(0.0010)
    assert UsEquities().round_trip(short_years=0.5) == pytest.approx(0.0010 + 0.0025)


def test_scaling_and_adding_leave_the_original_alone():
    costs = CustomCosts(commission_bps=1, half_spread_bps=2, slippage_bps=3, borrow_bps_per_year=4)
    assert numbers(costs.scaled(2)) == (2, 4, 6, 8)
    assert numbers(costs.scaled(0)) == (0, 0, 0, 0)
    assert numbers(costs.with_extra(5)) == (1, 2, 8, 4)
    assert numbers(costs) == (1, 2, 3, 4)


def test_scaling_multiplies_every_fee_and_leaves_thresholds_alone():
    tier = CommissionTier(traded_value=1e6, commission_bps=2)
    costs = CustomCosts(
        commission_bps=4,
        commission_per_unit=0.01,
        commission_minimum=1,
        commission_tiers=(tier,),
        impact_bps=50,
    )
    twice = costs.scaled(2)
    assert (twice.commission_per_unit, twice.commission_minimum, twice.impact_bps) == (0.02, 2, 100)
    assert twice.commission_tiers == (CommissionTier(traded_value=1e6, commission_bps=4),)
    assert not costs.scaled(0).cost_anything
    assert costs.round_trip() == pytest.approx(0.0008)


def test_the_report_names_every_cost_and_only_those_there_are():
    assert UsEquities().terms() == (
        "Costs one way: 0 bp commission, 2 bp half-spread, 3 bp slippage; borrowing 50 bp a year."
    )
    tiers = (CommissionTier(traded_value=1e6, commission_bps=2),)
    costs = CustomCosts(
        commission_per_unit=0.005, commission_minimum=1, impact_bps=50, commission_tiers=tiers
    )
    for words in (
        "0.005 a unit",
        "at least 1 an order",
        "2 bp commission from 1e+06",
        "50 bp times the square",
    ):
        assert words in costs.terms()


def test_costs_with_tiers_survive_a_file():
    config = {
        "kind": "custom",
        "commission_bps": 5,
        "commission_tiers": [{"traded_value": 1e6, "commission_bps": 2}],
    }
    costs = COSTS.build(config)
    assert costs.commission_tiers == (CommissionTier(traded_value=1e6, commission_bps=2),)
    assert COSTS.build(COSTS.describe(costs)) == costs


@pytest.mark.parametrize("kind", COSTS.names())
def test_every_kind_round_trips(kind):
    costs = COSTS.build({"kind": kind, "commission_bps": 1.5} if kind != "none" else kind)
    assert COSTS.build(COSTS.describe(costs)) == costs


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "custom"}, "must be asked for with kind 'none'"),
        ({"kind": "none", "slippage_bps": 1}, "kind 'none' has no costs"),
        ({"kind": "crypto", "commission_bps": -1}, "commission_bps was -1"),
        ({"kind": "custom", "half_spread_bps": 6000, "slippage_bps": 6000}, "allowed: below 10000"),
        ({"kind": "custom", "slipage_bps": 1}, "did you mean 'slippage_bps'"),
        ({"kind": "custom", "half_spread_bps": 5000, "impact_bps": 6000}, "allowed: below 10000"),
        ({"kind": "none", "impact_bps": 1}, "kind 'none' has no costs"),
        (
            {
                "kind": "custom",
                "commission_bps": 1,
                "commission_tiers": [
                    {"traded_value": 2, "commission_bps": 1},
                    {"traded_value": 1, "commission_bps": 1},
                ],
            },
            "commission tiers start at .*allowed: rising",
        ),
        ("us_equity", "did you mean 'us_equities'"),
    ],
)
def test_wrong_costs_are_explained(config, message):
    with pytest.raises(SpecError, match=message):
        COSTS.build(config)
