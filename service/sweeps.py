"""Sweeps: a grid swept on this machine, stored and counted."""

from collections.abc import Sequence
from pathlib import Path

from backtest.configuration import apply_overrides, read_config
from backtest.spec import build_spec
from backtest.sweep.grid import grid_points
from backtest.sweep.record import SweepOptions, SweepPlaces, SweepRecord, run_sweep
from data.errors import SpecError
from service.clock import now_utc
from service.configs import config_path
from service.output import Progress
from service.settings import Settings


def make_sweep(
    name: str, overrides: Sequence[str], settings: Settings, progress: Progress, options: SweepOptions
) -> tuple[SweepRecord, Path]:
    """Return the sweep of a configuration and its folder.

    Raises:
        SpecError: when the configuration is not valid, has no grid, or a point cannot be swept.
    """
    config = apply_overrides(read_config(config_path(name)), overrides)
    spec, points = build_spec(config), grid_points(config)
    if not spec.grid:
        raise SpecError(
            f"configuration '{name}' has no grid; add 'grid:' with lists of values, or --set 'grid={{policy.k: [1, 2]}}'"
        )
    progress(0, 0, "reading data")
    history = spec.data.load(settings.lake)
    places = SweepPlaces(settings.home / "sweeps", settings.trials)
    stamp = now_utc().isoformat(timespec="seconds")
    record = run_sweep(spec, points, history, places, progress, options, stamp)
    return record, places.sweeps / str(record.manifest["id"])
