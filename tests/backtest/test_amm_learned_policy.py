"""Learned policy: fitted it decides as its network does in the environment, is stored to the bit, and says how it chose."""

import importlib.util
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backtest.amm import environment_kernel as kernel
from backtest.amm.action_grid import HOLD
from backtest.amm.environment import Due, environment_of
from backtest.amm.learning import school
from backtest.amm.learning.features import CONTEXT, pool_features, scaled_rows
from backtest.amm.policies import learned
from backtest.amm.policies.base import LIQUIDITY_POLICIES, RangeDecision, WantedRange
from backtest.amm.policies.learned import LearnedPolicy, load_learned
from backtest.amm.selection import action_entropy, selection_verdict
from backtest.amm.walk import LiquidityLane, play
from backtest.amm.windows import Span
from backtest.errors import EngineError
from forecast.randomness import RandomStreams

ROOT = Path(__file__).parents[2]
ORACLES = ROOT / "tests" / "oracles"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


worlds, learned_worlds, paths = loaded("liquidity_worlds"), loaded("learned_worlds"), loaded("pool_paths")
LENGTH = 199


def long_history(seed=0):
    """Return 500 hours of a price that wanders, so that ranges are left now and then."""
    return paths.wandering(500, each=3, deviation=0.004, seed=seed)


def fitted(history, seed=3, **settings):
    terms = worlds.made_terms(history.pool.pool)
    return learned_worlds.untaught(history.until(history.times[299]), terms, seed=seed, **settings), terms


def lively(history, **settings):
    """Return a fitted policy that takes several actions: its values are those of chance, ten times as far apart."""
    made, terms = fitted(history, hidden=8, **settings)
    wide = {name: array.copy() for name, array in made.weights[0].items()}
    for name in ("encoder.weight_ih_l0", "shared.weight", "advantage.weight"):
        wide[name] *= 4.0
    return replace(made, weights=(wide,)), terms


def test_an_unfitted_policy_refuses_to_decide():
    history = long_history()
    with pytest.raises(EngineError, match="once it is fitted"):
        LearnedPolicy().decide(None, RandomStreams(0, history.cutoff))


def test_reading_its_settings_loads_neither_torch_nor_numba():
    code = """
import sys
from backtest.amm.policies.base import LIQUIDITY_POLICIES
policy = LIQUIDITY_POLICIES.build({"kind": "learned", "hidden": 8})
assert len(policy.candidates()) == 4 and len(policy.grid) == 23
print([name for name in ("torch", "numba", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_candidates_differ_in_how_long_they_learn_from_the_pool_alone():
    policy = LearnedPolicy(hidden=8, train_steps=50)
    tried = policy.candidates()
    assert [each.train_steps for each in tried] == [50, 0, 100, 200]
    assert {replace(each, train_steps=0) for each in tried} == {replace(policy, train_steps=0)}


def test_a_walk_earns_what_its_network_earns_in_the_environment():
    history = long_history()
    policy, terms = lively(history)
    played = play(LiquidityLane("learned", policy, None, terms, 0), history, Span(300, 300 + LENGTH), 100.0)
    environment = environment_of(history, policy.spec.grid, terms, 100.0, Due())
    rows = scaled_rows(pool_features(history.panel), policy.scaler).astype(np.float32)
    seats, total, bars, actions = environment.seats(np.array([300]), LENGTH), 0.0, [], []
    while (bar := int(seats.places[0, kernel.BAR])) < 300 + LENGTH:
        week = torch.from_numpy(rows[None, bar - CONTEXT + 1 : bar + 1])
        with torch.no_grad():
            values = policy._networks[0](
                week, torch.from_numpy(environment.observe(seats).astype(np.float32))
            )
        action = np.where(environment.legal(seats), values.numpy(), -np.inf).argmax(axis=1)
        bars.append(bar)
        actions.append(policy.spec.grid.labels[int(action[0])])
        total += float(environment.step(seats, action)[0][0])
    due = [each for each in played.decisions if not np.isnan(each.entropy)]
    assert [each.cutoff for each in due] == list(history.times[bars])
    assert [each.reason for each in due] == actions
    assert len(set(actions)) > 2, "the comparison is about more than waiting"
    assert total == pytest.approx(played.account.net / 100.0 * 1e4, rel=1e-9)


def opens_once(history):
    """Return a fitted policy that opens one per cent around the price and leaves it as it is from then on."""
    made, terms = fitted(history)
    weights = {name: np.zeros_like(array) for name, array in made.weights[0].items()}
    weights["shared.weight"][0, made.spec.hidden] = (
        1.0  # the first number about an account: whether a range is open
    )
    weights["advantage.weight"][HOLD, 0] = 5.0
    weights["advantage.bias"][2] = 1.0
    return replace(made, weights=(weights,)), terms


def test_leaving_the_range_is_a_reason_to_decide_once_and_staying_out_is_none():
    history = long_history(1)
    policy, terms = opens_once(history)
    played = play(LiquidityLane("learned", policy, None, terms, 0), history, Span(300, 300 + LENGTH), 100.0)
    due = {each.cutoff: each.reason for each in played.decisions if not np.isnan(each.entropy)}
    idle = [each for each in played.decisions if np.isnan(each.entropy)]
    assert next(iter(due.values())) == "1 % around the price"
    assert set(list(due.values())[1:]) == {"leave as it is"}
    assert {each.reason for each in idle} == {"no decision is due"} and all(
        each.ranges is None for each in idle
    )
    inside = dict(zip(played.marks["time"].tolist(), played.marks["in_range"].tolist(), strict=True))
    hour = int(np.timedelta64(1, "h") / np.timedelta64(1, "ns"))
    exits = [t for t in inside if not inside[t] and inside.get(t - hour)]
    assert set(exits) - {history.times[300 + LENGTH].astype(int)} <= {t.astype(int) for t in due}
    assert len(exits) > 1
    assert selection_verdict(played.decisions).startswith(
        "static selection: the only range it opened was '1 %"
    )


def test_an_altered_future_changes_no_decision_and_nothing_is_written_to():
    honest = paths.walk(1500, 0.004)
    altered = honest.copy()
    altered[1190:] += 0.3
    decisions = []
    for each in (honest, altered):
        history = paths.history_of(each, 500, fee_pips=100)
        policy, terms = lively(history)
        before = history.fingerprint(), policy.weights[0]["advantage.bias"].copy()
        played = play(LiquidityLane("learned", policy, None, terms, 0), history, Span(300, 450), 100.0)
        decisions.append([(d.cutoff, d.ranges, d.reason, d.entropy.hex()) for d in played.decisions])
        assert history.fingerprint() == before[0]
        assert (policy.weights[0]["advantage.bias"] == before[1]).all()
    known = history.times[395]
    first, second = ([each for each in made if each[0] <= known] for made in decisions)
    assert first == second and len(first) >= 4
    assert decisions[0] != decisions[1], "the altered part is seen once it has happened"


def test_the_same_seed_gives_the_same_bits_and_another_seed_other_weights(monkeypatch):
    monkeypatch.setattr(school, "WORLD_BARS", 240)
    history = long_history()
    settings = {"members": 2, "pretrain_steps": 3, "train_steps": 3}
    school.pretrained.cache_clear()
    one, _ = fitted(history, **settings)
    school.pretrained.cache_clear()
    again, _ = fitted(history, **settings)
    other, _ = fitted(history, seed=4, **settings)
    for first, second in zip(one.weights, again.weights, strict=True):
        assert all((first[name] == second[name]).all() for name in first)
    assert any((one.weights[0][name] != other.weights[0][name]).any() for name in one.weights[0])
    school.pretrained.cache_clear()


def test_the_scaler_knows_the_training_bars_alone():
    history = long_history()
    made, _ = fitted(history)
    rows = pool_features(history.until(history.times[299]).panel)
    known = rows[np.isfinite(rows).all(axis=1)]
    np.testing.assert_array_equal(made.scaler.centre[:-1], known.mean(axis=0)[:-1])


def view_of(history, terms):
    return replace(worlds.made_view(history), terms=terms)


def test_members_are_averaged():
    history = long_history()
    made, terms = fitted(history, members=2)
    view = view_of(history, terms)
    alone = [replace(made, weights=(each,)).action_values(view)[0] for each in made.weights]
    np.testing.assert_allclose(made.action_values(view)[0], np.mean(alone, axis=0), rtol=1e-5)
    assert (alone[0] != alone[1]).any()


def test_a_stored_policy_decides_the_same_bits(tmp_path):
    history = long_history()
    made, terms = fitted(history, members=2, every=12)
    made.save(tmp_path)
    back = load_learned(tmp_path)
    view = view_of(history, terms)
    assert back.spec == made.spec and back.every == 12
    np.testing.assert_array_equal(back.action_values(view)[0], made.action_values(view)[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["learned.json", "learned.safetensors"]


def test_a_file_of_another_version_or_kind_or_none_is_refused(tmp_path):
    made, _ = fitted(long_history())
    made.save(tmp_path)
    facts = json.loads((tmp_path / "learned.json").read_text())
    (tmp_path / "learned.json").write_text(json.dumps({**facts, "format": 9}))
    with pytest.raises(EngineError, match="has format 9; this version reads format 1"):
        load_learned(tmp_path)
    (tmp_path / "learned.json").write_text(json.dumps({**facts, "policy": {"kind": "hold"}}))
    with pytest.raises(EngineError, match="is of kind 'hold'; 'learned' is needed"):
        load_learned(tmp_path)
    (tmp_path / "learned.safetensors").write_bytes(b"nothing")
    with pytest.raises(EngineError, match="cannot be read"):
        load_learned(tmp_path)


def test_a_fitted_policy_can_be_fitted_anew():
    history = long_history()
    made, terms = fitted(history)
    again = made.fit(history, terms, 100.0, RandomStreams(3, history.cutoff))
    assert again.spec == made.spec and (again.scaler.centre != made.scaler.centre).any()


def test_a_history_too_short_to_learn_from_is_refused():
    history = long_history()
    terms = worlds.made_terms(history.pool.pool)
    with pytest.raises(EngineError, match="168 bars without a gap"):
        learned_worlds.untaught(history.until(history.times[150]), terms)


def test_the_entropy_of_a_decision_says_how_close_the_values_are():
    assert learned._entropy(np.zeros(8)) == pytest.approx(math.log(8))
    assert learned._entropy(np.array([0.0, -9000.0])) == 0.0
    assert learned._entropy(np.array([3.0, 13.0])) == pytest.approx(0.5822, abs=1e-4)


def decision(reason, *, opens=True, entropy=0.5):
    ranges = (WantedRange(0, 60),) if opens else None
    return RangeDecision(np.datetime64("2024-01-01", "ns"), ranges, reason=reason, entropy=entropy)


def test_one_range_or_none_is_called_static_selection():
    wait = [decision("leave as it is", opens=False)] * 29
    assert selection_verdict(wait) == "static selection: all 29 decisions left everything as it was"
    assert selection_verdict([decision("full range"), *wait]) == (
        "static selection: the only range it opened was 'full range', 1 times in 30 decisions"
    )
    two = [decision("full range"), *wait, decision("5 % around the price")]
    assert selection_verdict(two).startswith("2 kinds of ranges in 31 decisions, 2 moves")
    assert selection_verdict([decision("a rule", entropy=math.nan)]) == ""


def test_the_entropy_of_actions_counts_how_often_each_was_taken():
    names = [decision("a"), decision("b"), decision("c"), decision("d")]
    assert action_entropy(names * 3) == pytest.approx(math.log(4))
    assert action_entropy([decision("a")] * 5) == 0.0
    assert math.isnan(action_entropy([decision("a rule", entropy=math.nan)]))
    assert math.isnan(action_entropy([]))


def test_settings_that_make_no_grid_are_refused():
    for wrong in ({"widths": []}, {"widths": [-0.1]}, {"members": 0}, {"gamma": 1.5}, {"train_steps": -1}):
        with pytest.raises(Exception, match=next(iter(wrong))):
            LIQUIDITY_POLICIES.build({"kind": "learned", **wrong})
