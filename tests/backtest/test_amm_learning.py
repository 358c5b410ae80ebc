"""Learning: features that know no future, a network of the published form, and updates that move it to the right targets."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.amm import environment_kernel as kernel
from backtest.amm.action_grid import HOLD, ActionGrid
from backtest.amm.environment import Due
from backtest.amm.learning import school, training
from backtest.amm.learning.features import (
    ABSOLUTE,
    CONTEXT,
    FEATURES,
    NEEDED,
    feature_scaler,
    first_context,
    last_context,
    pool_features,
    scaled_rows,
)
from backtest.amm.learning.lesson import ACCOUNTS, LEAST_CHANCE, SOFT_UPDATE, Lesson
from backtest.amm.learning.network import network_with, new_network, weights_of
from backtest.amm.learning.replay import Passed, Seen, joined_steps, replay_for
from backtest.amm.terms import PoolCosts, PoolTerms
from backtest.errors import EngineError

ORACLES = Path(__file__).parents[1] / "oracles"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


worlds, paths = loaded("liquidity_worlds"), loaded("pool_paths")

GRID = ActionGrid((0.01, 0.25, math.inf), (0.0,))
LESSON = Lesson(
    GRID, Due(), hidden=4, gamma=0.99, n_steps=3, learning_rate=1e-2, learns_from="hedged", device="cpu"
)


def made_history():
    return worlds.made_history(worlds.made_swaps(), worlds.made_pool())


def terms_of(history, gas=0.01):
    return PoolTerms(pool=history.pool.pool, costs=PoolCosts(mint_gas=gas, burn_gas=gas, swap_gas=gas))


def made_room(lesson=LESSON):
    history = made_history()
    return school.classroom(history, lesson, terms_of(history), 100.0)


def first_weights(seed=0, hidden=4):
    return weights_of(new_network(len(GRID), hidden, seed))


@pytest.fixture
def short_worlds(monkeypatch):
    monkeypatch.setattr(school, "WORLD_BARS", 240)
    school.pretrained.cache_clear()
    yield
    school.pretrained.cache_clear()


# Features


def test_features_say_what_their_names_say():
    panel = made_history().panel
    row = dict(zip(FEATURES, pool_features(panel)[100], strict=True))
    field = {name: panel.field(name)[:, 0] for name in panel.fields}
    assert row["return"] == pytest.approx(np.log(field["close"][100] / field["close"][99]))
    for bars in (1, 6, 24):
        spread = math.sqrt(field["variance"][101 - bars : 101].sum())
        assert row[f"variance_{bars}"] == pytest.approx(np.log(spread + 1e-4))
    assert row["intensity"] == pytest.approx(
        np.log(field["fee_growth"][100] / field["sqrt_price"][100] + 1e-7)
    )
    assert row["imbalance"] == pytest.approx(field["flow"][100] / field["volume"][100])
    growth = (field["fee_growth"] / field["sqrt_price"])[77:101].sum()
    loss = field["variance"][77:101].sum() / 8
    assert row["income"] == pytest.approx(np.log((growth / 2 + 1e-6) / (loss + 1e-6)))
    assert row["liquidity"] == pytest.approx(np.log(field["liquidity"][100]))


def test_a_bar_without_swaps_has_no_imbalance():
    history = worlds.made_history(worlds.made_swaps(count=60), worlds.made_pool())
    features = pool_features(history.panel)
    idle = history.panel.field("swaps")[:, 0] == 0
    assert idle[60:].any() and (features[60:][idle[60:], FEATURES.index("imbalance")] == 0.0).all()


@pytest.mark.parametrize("cut", [192, 200, 239])
def test_features_depend_neither_on_later_rows_nor_on_where_the_panel_begins(cut):
    history = made_history()
    whole = pool_features(history.panel)[cut - CONTEXT : cut]
    known = history.until(history.times[cut - 1])
    np.testing.assert_array_equal(last_context(known), whole)
    np.testing.assert_array_equal(last_context(known.last(NEEDED)), whole)


def test_too_few_bars_are_refused_with_their_number():
    history = made_history().last(NEEDED - 1)
    with pytest.raises(EngineError, match="191 bars with a price; the history has 190"):
        last_context(history)
    with pytest.raises(EngineError, match="168 bars without a gap"):
        first_context(pool_features(history.panel.last(NEEDED - 1)))


def test_the_first_context_holds_a_week_of_known_rows():
    features = pool_features(made_history().panel)
    first = first_context(features)
    assert np.isfinite(features[first - CONTEXT + 1 : first + 1]).all()
    assert not np.isfinite(features[first - CONTEXT]).all()
    features[60] = np.nan
    with pytest.raises(EngineError, match="without a gap"):
        first_context(features)


def test_scaled_features_have_no_mean_unit_spread_and_a_limit_but_what_is_absolute_stays():
    features = pool_features(made_history().panel)
    scaler = feature_scaler(features)
    rows = scaled_rows(features, scaler)[first_context(features) - CONTEXT + 1 :]
    moving, absolute = rows.std(axis=0) > 0, np.isin(FEATURES, ABSOLUTE)
    standard = rows[:, moving & ~absolute]
    assert np.abs(standard.mean(axis=0)).max() < 0.05 and np.abs(standard.std(axis=0) - 1).max() < 0.1
    np.testing.assert_array_equal(rows[:, absolute], features[-len(rows) :, absolute].clip(-5, 5))
    assert (np.abs(scaled_rows(features[-1:] + 1e9, scaler)) == 5.0).all()


def test_simulated_pools_differ_in_what_they_pay_for_their_risk(short_worlds):
    terms = terms_of(made_history())
    income = [
        np.nanmean(pool_features(school.simulated(terms, number, 1).panel)[:, FEATURES.index("income")])
        for number in range(len(school.WORLDS))
    ]
    assert income == sorted(income, reverse=True)


# Network


def test_values_average_to_the_worth_of_the_state_whatever_is_added_to_all_advantages():
    network = new_network(5, 4, 1)
    bars, account = torch.randn(3, CONTEXT, len(FEATURES)), torch.randn(3, kernel.OBSERVED)
    before = network(bars, account)
    with torch.no_grad():
        network.advantage.bias += 7.0
    torch.testing.assert_close(network(bars, account), before)
    with torch.no_grad():
        network.value.bias += 2.0
    torch.testing.assert_close(network(bars, account).mean(dim=1), before.mean(dim=1) + 2.0)


def test_weights_depend_on_the_seed_alone_and_come_back_bit_for_bit():
    torch.manual_seed(4)
    one = first_weights(3)
    torch.manual_seed(5)
    again, other = first_weights(3), first_weights(4)
    assert all((one[name] == again[name]).all() for name in one)
    assert any((one[name] != other[name]).any() for name in one)
    back = weights_of(network_with(one, len(GRID), 4))
    assert all((one[name] == back[name]).all() and not back[name].flags.writeable for name in one)


def test_weights_of_another_network_are_refused():
    with pytest.raises(EngineError, match="do not fit a network of 4 actions and 8 units"):
        network_with(first_weights(), len(GRID), 8)


# Replay


def drawn_steps(seed, count, accounts=5):
    rng = np.random.default_rng(seed)
    seen = [
        Seen(rng.integers(0, 99, accounts), rng.normal(size=(accounts, 2)), rng.random((accounts, 3)) < 0.7)
        for _ in range(count + 1)
    ]
    return [
        Passed(
            seen[k],
            rng.integers(0, 3, accounts),
            rng.normal(size=accounts),
            rng.uniform(0.5, 1, accounts),
            seen[k + 1],
            rng.random(accounts) < 0.3,
        )
        for k in range(count)
    ]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 5))
def test_joined_steps_are_the_discounted_sum_until_a_life_is_over(seed, count):
    steps = drawn_steps(seed, count)
    joined = joined_steps(steps)
    for b in range(5):
        total, discount, last = 0.0, 1.0, None
        for step in steps:
            total += discount * step.rewards[b]
            discount *= step.discounts[b]
            last = step
            if step.is_over[b]:
                break
        assert joined.rewards[b] == pytest.approx(total, rel=1e-12)
        assert joined.discounts[b] == pytest.approx(discount, rel=1e-12)
        assert joined.is_over[b] == last.is_over[b]
        assert joined.after.bars[b] == last.after.bars[b]
        np.testing.assert_array_equal(joined.after.accounts[b], last.after.accounts[b])
        np.testing.assert_array_equal(joined.after.allowed[b], last.after.allowed[b])
    np.testing.assert_array_equal(joined.actions, steps[0].actions)


def test_memory_forgets_the_oldest_and_draws_whole_steps():
    steps = drawn_steps(1, 6)
    replay = replay_for(2, groups=1, steps=3)
    for step in steps:
        replay.add(step, 0)
    assert len(replay.kept) == 3, "five joined steps, room for three"
    drawn = replay.draw(400, np.random.default_rng(0))
    known = {
        (float(kept.rewards[b]), float(kept.before.accounts[b, 0]), int(kept.after.bars[b]))
        for kept in replay.kept
        for b in range(5)
    }
    seen = {
        (float(r), float(a), int(t))
        for r, a, t in zip(drawn.rewards, drawn.before.accounts[:, 0], drawn.after.bars, strict=True)
    }
    assert seen == known


# Training


def made_student(online_bias, target_bias):
    """Return a student whose networks say nothing but these values of the actions."""
    room = made_room()
    student = training._student(LESSON, first_weights(), [room])
    for network, bias in ((student.online, online_bias), (student.target, target_bias)):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            network.advantage.bias.copy_(torch.tensor(bias))
    return student, room


def test_goals_take_the_action_of_one_network_and_the_value_of_the_other():
    student, room = made_student([1.0, 5.0, 3.0, -9.0], [10.0, 20.0, 40.0, 2.0])
    first = room.first
    after = Seen(
        np.array([first, first, first]),
        np.zeros((3, kernel.OBSERVED)),
        np.array([[True] * 4, [True, False, True, True], [True] * 4]),
    )
    batch = Passed(
        after, np.zeros(3, int), np.array([1.0, 2.0, 3.0]), np.full(3, 0.5), after, np.array([0, 0, 1], bool)
    )
    mean = 18.0
    goals = training._goals(student, batch).numpy()
    np.testing.assert_allclose(goals, [1.0 + 0.5 * (20.0 - mean), 2.0 + 0.5 * (40.0 - mean), 3.0], rtol=1e-6)


def test_an_update_moves_the_value_towards_its_goal_and_the_target_a_little_after_it():
    student, room = made_student([0.0] * 4, [0.0] * 4)
    seen = Seen(np.array([room.first]), np.zeros((1, kernel.OBSERVED)), np.ones((1, 4), bool))
    over = Passed(seen, np.array([2]), np.array([1.0]), np.array([1.0]), seen, np.array([True]))
    replay = replay_for(1, groups=1, steps=1)
    replay.add(over, 0)
    before = [parameter.clone() for parameter in student.target.parameters()]
    training._update(student, replay, np.random.default_rng(0))
    with torch.no_grad():
        value = student.values(student.online, seen)[0]
    assert value[2] > 0.0 and value[2] == value.max()
    for old, online, target in zip(
        before, student.online.parameters(), student.target.parameters(), strict=True
    ):
        torch.testing.assert_close(target, old + SOFT_UPDATE * (online - old))


def test_actions_by_chance_are_allowed_and_mostly_wait():
    student, room = made_student([0.0, 1.0, 2.0, 3.0], [0.0] * 4)
    rng = np.random.default_rng(0)
    seats = room.environment.seats(room.openings(400, rng), room.life)
    seen = room.seen(seats)
    seen.allowed[:, 3] = False
    greedy = training._chosen(student, seen, 0.0, rng)
    assert (greedy == 2).all()
    random = training._chosen(student, seen, 1.0, rng)
    assert seen.allowed[np.arange(400), random].all()
    assert 0.7 < (random == HOLD).mean() < 0.9
    some = training._chosen(student, seen, LEAST_CHANCE, rng)
    assert 0.9 < (some == 2).mean() < 1.0


def test_teaching_repeats_bit_for_bit_and_depends_on_its_stream():
    room = made_room()
    one, again, other = (
        training.taught(LESSON, first_weights(), [room], 4, 1.0, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert all((one[name] == again[name]).all() for name in one)
    assert any((one[name] != other[name]).any() for name in one)
    assert any((one[name] != first_weights()[name]).any() for name in one)


def test_steps_of_two_classrooms_are_never_joined():
    first, second = drawn_steps(1, 3), drawn_steps(2, 3)
    replay = replay_for(2, groups=2, steps=9)
    for one, other in zip(first, second, strict=True):
        replay.add(one, 0)
        replay.add(other, 1)
    starts = [kept.before.bars.tolist() for kept in replay.kept]
    assert starts == [each.before.bars.tolist() for each in (first[0], second[0], first[1], second[1])]
    sums = [joined_steps(pair).rewards for pair in (first[:2], second[:2], first[1:], second[1:])]
    np.testing.assert_array_equal([kept.rewards for kept in replay.kept], sums)


def test_classrooms_stand_in_a_row_and_each_reads_its_own_features():
    room = made_room()
    other = replace(room, features=room.features + 1.0)
    one, two = training._in_a_row([room, other])
    student = training._student(LESSON, first_weights(), [one, two])
    seats = room.environment.seats(np.array([room.first]), 20)
    assert two.seen(seats).bars[0] == room.first + len(room.features) == one.seen(seats).bars[0] + two.offset
    rows = student.features[two.seen(seats).bars[0]].numpy()
    np.testing.assert_allclose(rows, room.features[room.first] + 1.0, rtol=1e-6)


def test_no_updates_leave_the_weights_as_they_are():
    weights = first_weights()
    assert training.taught(LESSON, weights, [made_room()], 0, 1.0, np.random.default_rng(0)) is weights


def test_accounts_open_where_a_week_is_known_and_live_within_the_history():
    room = made_room()
    opened = room.openings(500, np.random.default_rng(0))
    assert opened.min() == room.first and (opened + room.life).max() <= len(room.features) - 1
    assert np.isfinite(room.features[room.first - CONTEXT + 1 :]).all()


def test_a_history_that_ends_where_learning_could_begin_is_refused():
    history = made_history()
    with pytest.raises(EngineError, match="learning needs later ones"):
        school.classroom(history.until(history.times[NEEDED - 1]), LESSON, terms_of(history), 100.0)
    least = school.classroom(history.until(history.times[NEEDED]), LESSON, terms_of(history), 100.0)
    assert least.openings(9, np.random.default_rng(0)).tolist() == [least.first] * 9


@pytest.mark.parametrize("source", ["net", "hedged"])
def test_what_is_learnt_from_is_the_reward_or_the_reward_less_its_tilt(source):
    lesson = replace(LESSON, learns_from=source)
    room = made_room(lesson)
    student = training._student(lesson, first_weights(), [room])
    opened = [room.environment.seats(np.full(8, room.first), room.life) for _ in range(2)]
    passed = training._acted(student, room, opened[0], 1.0, np.random.default_rng(0))
    rewards, tilts = room.environment.step(opened[1], passed.actions)
    learnt = rewards if source == "net" else rewards - tilts
    np.testing.assert_allclose(passed.rewards, learnt / 50.0, rtol=1e-12)
    assert (tilts != 0.0).any()


def test_an_account_whose_life_is_over_makes_room_for_a_new_one():
    room, rng = made_room(), np.random.default_rng(0)
    seats = room.environment.seats(np.full(ACCOUNTS, room.first), room.life)
    over = np.arange(ACCOUNTS) < 3
    seats.money[:, kernel.NET] = 5.0
    training._reopen(room, seats, over, rng)
    assert (seats.money[over, kernel.NET] == 0.0).all() and (seats.money[~over, kernel.NET] == 5.0).all()
    assert (seats.places[over, kernel.BAR] == seats.places[over, kernel.OPENING]).all()


# School


def test_the_simulator_teaches_once_for_the_same_settings(short_worlds):
    terms = terms_of(made_history())
    one = school.pretrained(LESSON, terms, 100.0, 3, 2, 7)
    assert school.pretrained(LESSON, terms, 100.0, 3, 2, 7) is one
    school.pretrained.cache_clear()
    again = school.pretrained(LESSON, terms, 100.0, 3, 2, 7)
    for first, second in zip(one, again, strict=True):
        assert all((first[name] == second[name]).all() for name in first)
    assert any((one[0][name] != one[1][name]).any() for name in one[0]), "members differ"
    other = school.pretrained(replace(LESSON, gamma=0.9), terms, 100.0, 3, 2, 7)
    assert other is not one


def test_simulated_worlds_have_the_pool_of_the_terms_and_differ(short_worlds):
    terms = terms_of(made_history())
    made = [school.simulated(terms, number, 1) for number in range(2 * len(school.WORLDS))]
    assert {each.pool.pool for each in made} == {terms.pool}
    assert len({each.fingerprint() for each in made}) == len(made)
    deviations = [np.nanmean(each.panel.field("variance")) ** 0.5 for each in made]
    assert deviations[:3] == sorted(deviations[:3])


def test_prices_to_learn_from_have_no_trend():
    closes = np.exp(np.cumsum(np.random.default_rng(0).normal(0.01, 0.02, 300)))
    tied = school.tied_down(closes)
    assert tied[0] == closes[0] and tied[-1] == pytest.approx(closes[0], rel=1e-12)
    moves = np.diff(np.log(closes)) - np.diff(np.log(tied))
    np.testing.assert_allclose(moves, moves[0], rtol=1e-9)


# Slow: it learns


def play_greedily(weights, room, openings, lesson):
    """Return the mean net versus hold in basis points and how often each action was taken, without chance."""
    environment, network = room.environment, network_with(weights, len(lesson.grid), lesson.hidden)
    features = torch.from_numpy(room.features.astype(np.float32))
    seats = environment.seats(openings, room.life)
    total, counts = np.zeros(len(openings)), np.zeros(len(lesson.grid))
    while (alive := seats.places[:, kernel.BAR] < seats.places[:, kernel.END]).any():
        seen = room.seen(seats)
        rows = torch.from_numpy(seen.bars[:, None] + np.arange(1 - CONTEXT, 1))
        with torch.no_grad():
            values = network(features[rows], torch.from_numpy(seen.accounts.astype(np.float32))).numpy()
        actions = training.best_actions(values, seen.allowed)
        np.add.at(counts, actions[alive], 1)
        total += environment.step(seats, actions)[0]
    return float(total.mean()), counts


def learnt(history, steps, favourite):
    """Return what a network that at first thinks most of one action does after learning, and what it did before."""
    grid = ActionGrid((0.02, 0.25, 1.0), (0.0,))
    lesson = Lesson(
        grid, Due(), hidden=8, gamma=0.99, n_steps=3, learning_rate=3e-3, learns_from="hedged", device="cpu"
    )
    terms = terms_of(history, 0.02)
    room = school.classroom(history, lesson, terms, 100.0)
    rng = np.random.default_rng(0)
    begun = {name: array.copy() for name, array in weights_of(new_network(len(grid), 8, 0)).items()}
    begun["advantage.bias"][favourite] += 2.0
    made = training.taught(lesson, begun, [room], steps, 1.0, rng)
    openings = room.openings(16, rng)
    return play_greedily(made, room, openings, lesson), play_greedily(begun, room, openings, lesson), room


@pytest.mark.slow
def test_where_one_range_is_plainly_best_it_learns_to_open_it_and_to_leave_it():
    (net, counts), (before, _), room = learnt(paths.swinging(1500), 300, favourite=3)
    seats = room.environment.seats(np.full(1, room.first), room.life)
    at_best = float(room.environment.step(seats, np.array([1]))[0][0])
    while seats.places[0, kernel.BAR] < seats.places[0, kernel.END]:
        at_best += float(room.environment.step(seats, np.array([HOLD]))[0][0])
    assert counts[1] > 0 and counts[2:].sum() <= 0.1 * counts[1:].sum()
    assert net > before and net > 0.8 * at_best > 0.0


@pytest.mark.slow
def test_where_every_range_loses_it_learns_to_hold():
    (net, counts), (before, _), _ = learnt(paths.wandering(1500), 300, favourite=1)
    assert before < -20.0
    assert counts[HOLD] == counts.sum() and net == 0.0
