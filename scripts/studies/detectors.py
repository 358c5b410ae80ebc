"""Detectors of grown losses: false alarms on unchanged streams, delays and misses after a change, honesty of the calibration.

    scripts/studies/detectors.py                  40 runs of 2,000 losses of each stream, and the run lengths
    scripts/studies/detectors.py --runs 10        fewer
    scripts/studies/detectors.py --out FOLDER     also writes detectors.json

The first table has the detectors as they are published, on absolute errors; with the settings of river's ADWIN and
PageHinkley ours give river's alarms, which the tests hold. The second has the retraining policies, calibrated to a wanted
run length. A cell says: share of unchanged streams with an alarm / median delay of the first alarm after the errors
become 1.5 times as large in the middle / share of changes without one. Equal seeds and runs give equal tables.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from data.history import History
from forecast.checks import synthetic_history
from forecast.retraining.adaptive_window import AdaptiveWindow
from forecast.retraining.base import RETRAINING, FitAge, KnownLoss, Moment
from forecast.retraining.likelihood_ratio import wald_bounds
from forecast.retraining.page_hinkley import PageHinkley

STEPS, GROWTH, REFERENCE = 2_000, 1.5, 200
TARGET = 10_000
LONG = 20_000
FLOOR = 1e-6
START = np.datetime64("2000-01-01", "ns")


def independent(rng, count):
    return rng.standard_normal(count)


def heavy(rng, count):
    """Student t with 3 degrees of freedom and variance 1."""
    return rng.standard_t(3, count) / math.sqrt(3)


def clustered(rng, count):
    """GARCH(1,1) with variance .05 + .10 e^2 + .85 v, from its mean 1."""
    errors = rng.standard_normal(count)
    variance = 1.0
    for t in range(count):
        errors[t] *= math.sqrt(variance)
        variance = 0.05 + 0.10 * errors[t] ** 2 + 0.85 * variance
    return errors


def overlapping(rng, count):
    """Sums of six terms, as errors six steps ahead that are issued at every step."""
    return np.convolve(rng.standard_normal(count + 5), np.ones(6), "valid") / math.sqrt(6)


ERRORS = {"iid": independent, "t(3)": heavy, "GARCH": clustered, "overlap 6": overlapping}


@dataclass(frozen=True)
class Stream:
    """Errors (T,) of a model, and those of the naive forecast of the same bars where there is one."""

    model: np.ndarray
    naive: np.ndarray

    def grown(self, market=False):
        """Return the stream whose model errors, and naive ones if the market changed, grow in the middle."""
        factor = np.where(np.arange(len(self.model)) < len(self.model) // 2, 1.0, GROWTH)
        return Stream(self.model * factor, self.naive * factor if market else self.naive)


def alone(make, rng, count):
    """Errors without a naive forecast; its losses are all 1."""
    return Stream(make(rng, count), np.ones(count))


def shared(make, rng, count):
    """Errors of a model that is the naive forecast plus a small one: both carry the market, and its volatility.

    The market's change is ``make``'s. The model forecasts a part of it: its errors are 0.9 of the market's plus noise of the
    size 0.3 in the same volatility, the size of the last five changes.
    """
    market = make(rng, count)
    size = np.sqrt(np.convolve(np.concatenate([np.full(5, 1.0), market[:-1] ** 2]), np.full(5, 0.2), "valid"))
    return Stream(0.9 * market + 0.3 * size[:count] * make(rng, count), market)


STREAMS = {name: partial(alone, make) for name, make in ERRORS.items()} | {
    "GARCH, naive beside": partial(shared, clustered),
    "overlap 6, naive beside": partial(shared, overlapping),
}


def stepped(detector, threshold, least, stream):
    """Alarms of a detector on absolute errors with a fixed threshold, begun anew after each."""
    found, state, since = [], detector.begin(np.zeros(0)), 0
    for t, value in enumerate(np.abs(stream.model)):
        state, score = detector.step(state, value)
        since += 1
        if since >= least and score > threshold:
            found.append(t)
            state, since = detector.begin(np.zeros(0)), 0
    return found


def rolling(stream):
    """Alarms of the mean of 24 above 1.5 times the mean of the first 200 since the last alarm."""
    sizes, found, start = np.abs(stream.model), [], 0
    for t in range(len(sizes)):
        if t - start >= REFERENCE + 24:
            usual = sizes[start : start + REFERENCE].mean()
            if sizes[t - 23 : t + 1].mean() > 1.5 * usual:
                found.append(t)
                start = t + 1
    return found


def published_ratio(stream, false_alarm=0.001, miss=0.05, shift=0.5):
    """Alarms of Wald's test of log errors against the first 200 since the last alarm, with his bounds."""
    logs, found, start, total = np.log(np.abs(stream.model) + FLOOR), [], 0, 0.0
    upper, lower = wald_bounds(false_alarm, miss)
    for t in range(len(logs)):
        if t - start < REFERENCE:
            continue
        reference = logs[start : start + REFERENCE]
        total += shift * ((logs[t] - reference.mean()) / reference.std() - shift / 2)
        total = 0.0 if total <= lower else total
        if total >= upper:
            found.append(t)
            start, total = t + 1, 0.0
    return found


def dummy(stream, every=100):
    """An alarm at every hundredth loss, whatever it is: what a detector must beat."""
    return list(range(every - 1, len(stream.model), every))


PUBLISHED: dict[str, Callable[[Stream], list[int]]] = {
    "ADWIN default": partial(stepped, AdaptiveWindow(every=32, side="both"), math.log(2 / 0.002), 1),
    "Page-Hinkley default": partial(
        stepped, PageHinkley(slack=0.005, forgetting=0.9999, side="both"), 50.0, 30
    ),
    "rolling 24 > 1.5 x": rolling,
    "SPRT a .001, d .5": published_ratio,
    "every 100": dummy,
}


@dataclass(frozen=True)
class Found:
    """Alarms of a policy, and the losses it judged (those of references are not) until each and after the last."""

    alarms: list[int]
    judged: list[int]


def policy_alarms(policy, stream, history: History):
    """Run a retraining policy on the losses of a stream; a fit after each alarm, one known loss a bar."""
    fit, state, found, judged = FitAge(0, START, 0), policy.start(), [], []
    for t, (model, naive) in enumerate(zip(np.abs(stream.model), np.abs(stream.naive), strict=True)):
        loss = KnownLoss(START + t, float(model), float(naive))
        state, verdict = policy.decide(state, Moment(0, history, replace(fit, bars=t), (loss,)))
        if verdict.reason is not None:
            found.append(t)
            judged.append(state.seen)
            fit = FitAge(0, START + (t + 1), 0)
    return Found(found, [*judged, state.seen if fit.cutoff == state.fit else 0])


POLICIES = {
    "page_hinkley": {"kind": "page_hinkley"},
    "adaptive_window": {"kind": "adaptive_window"},
    "sequential_ratio": {"kind": "sequential_ratio"},
    "two_sample": {"kind": "two_sample"},
}


def built(kind, relative_to, target=TARGET):
    return RETRAINING.build({**POLICIES[kind], "relative_to": relative_to, "target_run_length": target})


def detector_of(name, relative_to, target):
    """Return the function from a stream to its alarms."""
    if name in PUBLISHED:
        return PUBLISHED[name]
    policy, history = built(name, relative_to, target), synthetic_history(2)
    return lambda stream: policy_alarms(policy, stream, history).alarms


def run(job):
    """Return what one detector does on one pair of streams: alarms without a change, and after one in the middle."""
    name, relative_to, stream, seed, steps, target = job
    began = time.process_time()
    alarms = detector_of(name, relative_to, target)
    without = alarms(STREAMS[stream](np.random.default_rng(seed), steps))
    changed = STREAMS[stream](np.random.default_rng(1_000 + seed), steps)
    after = [t for t in alarms(changed.grown()) if t >= steps // 2]
    cost = (time.process_time() - began) / (2 * steps)
    market = None
    if "naive beside" in stream:
        market = any(t >= steps // 2 for t in alarms(changed.grown(market=True)))
    return {
        "false": len(without),
        "delay": after[0] - steps // 2 if after else None,
        "cost": cost,
        "market": market,
    }


def table(jobs, pool, runs, steps=STEPS, target=TARGET):
    """Return name, relative_to and stream -> the figures of a cell."""
    every = [(*job, seed, steps, target) for job in jobs for seed in range(runs)]
    results = list(pool(run, every))
    return {job: summary(results[i * runs : (i + 1) * runs]) for i, job in enumerate(jobs)}


def summary(results):
    delays = [each["delay"] for each in results if each["delay"] is not None]
    market = [each["market"] for each in results if each["market"] is not None]
    return {
        "false": float(np.mean([each["false"] > 0 for each in results])),
        "alarms": float(np.mean([each["false"] for each in results])),
        "delay": float(np.median(delays)) if delays else math.nan,
        "missed": 1 - len(delays) / len(results),
        "microseconds": 1e6 * float(np.median([each["cost"] for each in results])),
        "market": float(np.mean(market)) if market else None,
    }


def lengths(job):
    """Return the losses that a policy judged and its alarms on one long unchanged stream, begun anew after each."""
    name, relative_to, stream, seed, steps, target = job
    policy = built(name, relative_to, target)
    found = policy_alarms(
        policy, STREAMS[stream](np.random.default_rng(5_000 + seed), steps), synthetic_history(2)
    )
    return sum(found.judged), len(found.alarms)


def run_lengths(jobs, pool, runs, steps=LONG, target=TARGET):
    """Return name, relative_to and stream -> judged losses a false alarm, and alarms."""
    every = [(*job, seed, steps, target) for job in jobs for seed in range(runs)]
    results = np.array(list(pool(lengths, every))).reshape(len(jobs), runs, 2).sum(axis=1)
    return {
        job: {"run length": float(judged / max(alarms, 1)), "alarms": int(alarms), "judged": int(judged)}
        for job, (judged, alarms) in zip(jobs, results, strict=True)
    }


def published_jobs():
    return [(name, "none", stream) for name in PUBLISHED for stream in ERRORS]


def calibrated_jobs():
    beside = [stream for stream in STREAMS if stream not in ERRORS]
    return [
        *((name, "none", stream) for name in POLICIES for stream in ERRORS),
        *(
            (name, against, stream)
            for name in POLICIES
            for against in ("none", "naive", "volatility")
            for stream in beside
        ),
    ]


def long_jobs():
    """The quick detectors; the others need a quarter of an hour each."""
    return [job for job in calibrated_jobs() if job[0] in ("page_hinkley", "sequential_ratio")]


def cell(figures):
    return f"{figures['false']:.2f} / {figures['delay']:.0f} / {figures['missed']:.2f}"


def shown(cells):
    """Print one line a job."""
    width = max(len(" ".join(job)) for job in cells) + 2
    print(
        f"{'detector, loss relative to, stream':{width}} false / delay / missed  alarms  us/loss  market grows"
    )
    for job, figures in cells.items():
        market = "" if figures["market"] is None else f"{figures['market']:.2f}"
        print(
            f"{' '.join(job):{width}} {cell(figures):>22}  {figures['alarms']:6.2f}  {figures['microseconds']:7.1f}  {market}"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--target", type=int, default=TARGET)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs) as pool:
        spread = partial(pool.map, chunksize=5)
        plain = table(published_jobs(), spread, options.runs)
        shown(plain)
        print()
        ours = table(calibrated_jobs(), spread, options.runs, target=options.target)
        shown(ours)
        expected = 1 - math.exp(-(STEPS - REFERENCE) / options.target)
        print(f"\nwanted share of unchanged streams with an alarm: about {expected:.2f}\n")
        runs = max(1, options.runs // 4)
        long = run_lengths(long_jobs(), spread, runs, target=options.target)
        for job, figures in long.items():
            print(
                f"{' '.join(job)}: {figures['run length']:.0f} losses a false alarm ({figures['alarms']} alarms); wanted {options.target}"
            )
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        named = [{" ".join(job): figures for job, figures in part.items()} for part in (plain, ours, long)]
        text = json.dumps(dict(zip(("published", "calibrated", "run lengths"), named, strict=True)), indent=1)
        (options.out / "detectors.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
