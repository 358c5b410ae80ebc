"""Synthetic: bars of known processes, so that what can and cannot be forecast is known too.

With dt one bar in years, mu the drift and sigma the volatility a year, log returns are r[t] = (mu - sigma**2 / 2) dt + e[t]:

    gbm      e[t] = sigma sqrt(dt) z[t], z normal                        Samuelson 1965; Black and Scholes 1973, sec. 2
    garch_t  e[t] = s[t] z[t], z Student t scaled to variance 1,
             s[t]**2 = w + a e[t-1]**2 + b s[t-1]**2, w = sigma**2 dt (1 - a - b)   Bollerslev 1986, eq. 2; 1987, eq. 1
    ar       e[t] = phi e[t-1] + sigma sqrt(dt (1 - phi**2)) z[t]        Box and Jenkins 1970, AR(1)
    regime   e[t] = s[t] z[t], s one of two values, the state a symmetric Markov chain     Hamilton 1989, sec. 2

Only ``ar`` has a forecastable mean; ``garch_t`` and ``regime`` have a forecastable variance; ``gbm`` has neither.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from data.errors import SpecError
from data.history import History
from data.panel import Floats, Panel
from data.registry import spec
from data.sessions import ALWAYS, BarClock
from data.sources.base import AbstractSource
from data.sources.selection import asked_period, check_period, chosen, instant

FIELDS: tuple[str, ...] = ("open", "high", "low", "close", "volume")

_USUAL_VOLUME = 1_000_000.0
_VOLUME_SPREAD = 0.3


@spec
class SyntheticSource(AbstractSource):
    """Seeded bars of one process; series are called S1, S2 ...

    Every series has its own random stream, named by the series, so adding series changes no other, and more bars extend
    the history without changing it. The close is the process; the open lies a share of the bar's variance away from the
    previous close; high and low are the extremes of a Brownian bridge from open to close (each exact on its own). Volume
    is lognormal and grows with the size of the move; it carries no information about later bars.

    Attributes:
        process: ``gbm``, ``garch_t``, ``ar`` or ``regime``, see the top of this module.
        count: number of series.
        bars: number of bars.
        seed: seed of every stream.
        calendar: the bars' calendar, see ``BarClock``.
        bar: bar length, see ``BarClock``.
        first: the first bar is the first one that ends after this date.
        price: close before the first bar.
        drift: expected growth of the price a year (log of it), as 0.05.
        volatility: standard deviation of the log return a year, as 0.2; unconditional where it varies.
        correlation: correlation of two series' normal shocks, through one common factor.
        overnight: share of a bar's variance between the previous close and the open.
        arch: GARCH's a, the weight of the last squared shock.
        garch: GARCH's b, the weight of the last variance.
        degrees: degrees of freedom of GARCH's Student t shocks.
        autocorrelation: AR's phi, the first autocorrelation of the returns.
        stress: stressed over calm volatility of the regimes.
        persistence: chance that a regime lasts one bar more.
    """

    process: Literal["gbm", "garch_t", "ar", "regime"] = "gbm"
    count: Annotated[int, Field(ge=1, le=1000)] = 4
    bars: Annotated[int, Field(ge=2, le=2_000_000)] = 1000
    seed: int = 0
    calendar: str = ALWAYS
    bar: str = "session"
    first: str = "2015-01-01"
    price: Annotated[float, Field(gt=0)] = 100.0
    drift: Annotated[float, Field(ge=-2, le=2)] = 0.05
    volatility: Annotated[float, Field(gt=0, le=5)] = 0.2
    correlation: Annotated[float, Field(ge=0, lt=1)] = 0.3
    overnight: Annotated[float, Field(gt=0, lt=1)] = 0.2
    arch: Annotated[float, Field(ge=0, lt=1)] = 0.08
    garch: Annotated[float, Field(ge=0, lt=1)] = 0.9
    degrees: Annotated[float, Field(gt=2)] = 6.0
    autocorrelation: Annotated[float, Field(gt=-1, lt=1)] = 0.1
    stress: Annotated[float, Field(gt=1)] = 3.0
    persistence: Annotated[float, Field(gt=0, lt=1)] = 0.98

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.clock()
        instant(self.first)
        check_period(self)
        if self.arch + self.garch >= 1:
            raise ValueError(
                f"arch + garch was {self.arch + self.garch:g}; allowed: below 1, or the variance has no mean"
            )
        names = self.names()
        for name in self.series:
            if name not in names:
                raise SpecError(f"series '{name}' is not made; allowed: S1 to S{self.count}")
        return self

    def clock(self) -> BarClock:
        """Return the calendar and bar length of the bars."""
        return BarClock(self.calendar, self.bar)

    def names(self) -> tuple[str, ...]:
        """Return the names of the series."""
        return tuple(f"S{number}" for number in range(1, self.count + 1))

    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return the bars; the same spec gives the same bits.

        Raises:
            SourceError: when no bar lies in the period.
        """
        clock, names = self.clock(), self.series or self.names()
        start = instant(self.first)
        # The year of the first bar, so that asking for more bars does not rescale the ones before.
        years_per_bar = 1 / clock.periods_per_year(start, start)
        times = clock.next(start, self.bars)
        market = _stream(self.seed, "market").standard_normal(self.bars)
        values = np.stack([self._series(name, market, years_per_bar) for name in names], axis=1)
        history = History(
            panel=Panel(times, names, FIELDS, values),
            clock=clock,
            notes=(
                f"The prices are synthetic ({self.process}, seed {self.seed}): nothing here is evidence about markets.",
            ),
        )
        return chosen(history, self)

    def identity(self) -> dict[str, Any]:
        """Return process, seed, series, fields and the period asked for."""
        return {
            "source": "synthetic",
            "process": self.process,
            "seed": self.seed,
            "bars": self.bars,
            "first": self.first,
            "calendar": self.calendar,
            "bar": self.bar,
            "series": list(self.series or self.names()),
            "fields": list(FIELDS),
            **asked_period(self),
        }

    def _series(self, name: str, market: Floats, years_per_bar: float) -> Floats:
        """Return one series' bars, (T, F)."""
        own = _stream(self.seed, name, "shock").standard_normal(self.bars)
        normal = np.sqrt(self.correlation) * market + np.sqrt(1 - self.correlation) * own
        level = self.volatility * np.sqrt(years_per_bar)
        shocks, scales = self._shocks(name, normal, level)
        returns = (self.drift - self.volatility**2 / 2) * years_per_bar + shocks
        return _bars(returns, scales, price=self.price, overnight=self.overnight, key=(self.seed, name))

    def _shocks(self, name: str, normal: Floats, level: float) -> tuple[Floats, Floats]:
        """Return (T,) unexpected log returns and (T,) their standard deviations known before each bar."""
        if self.process == "garch_t":
            mixing = _stream(self.seed, name, "tails").chisquare(self.degrees, self.bars)
            return garch_shocks(normal * np.sqrt((self.degrees - 2) / mixing), level, self.arch, self.garch)
        if self.process == "ar":
            return ar_shocks(normal, level, self.autocorrelation)
        if self.process == "regime":
            uniform = _stream(self.seed, name, "regime").random(self.bars)
            scales = regime_scales(uniform, level, self.stress, self.persistence)
            return scales * normal, scales
        return level * normal, np.full(self.bars, level)


def garch_shocks(standard: Floats, level: float, arch: float, garch: float) -> tuple[Floats, Floats]:
    """Return the shocks (T,) of GARCH(1,1) and their conditional standard deviations (T,).

    Args:
        standard: (T,) shocks of variance 1.
        level: unconditional standard deviation; the first variance is its square.
        arch: weight of the last squared shock.
        garch: weight of the last variance.
    """
    constant = level**2 * (1 - arch - garch)
    scales = np.empty_like(standard)
    variance = level**2
    for t, shock in enumerate(standard.tolist()):
        scales[t] = variance**0.5
        variance = constant + variance * (arch * shock * shock + garch)
    return scales * standard, scales


def ar_shocks(normal: Floats, level: float, autocorrelation: float) -> tuple[Floats, Floats]:
    """Return the deviations (T,) of AR(1) with standard deviation ``level``, and that of each innovation (T,)."""
    deviation = level * (1 - autocorrelation**2) ** 0.5
    shocks = np.empty_like(normal)
    last = level * float(normal[0])
    shocks[0] = last
    for t, innovation in enumerate(normal[1:].tolist(), start=1):
        last = autocorrelation * last + deviation * innovation
        shocks[t] = last
    return shocks, np.full_like(normal, deviation)


def regime_scales(uniform: Floats, level: float, stress: float, persistence: float) -> Floats:
    """Return the standard deviation (T,) of each bar's shock: calm or ``stress`` times calm, mean square ``level**2``.

    Args:
        uniform: (T,) draws from [0, 1); the first picks the state, the others say whether it changes.
        level: unconditional standard deviation.
        stress: stressed over calm standard deviation.
        persistence: chance that a state lasts one bar more.
    """
    changes = uniform >= persistence
    changes[0] = uniform[0] >= 0.5
    is_stressed = np.cumsum(changes) % 2 == 1
    calm = level * (2 / (1 + stress**2)) ** 0.5
    return np.asarray(np.where(is_stressed, stress * calm, calm))


def _bars(returns: Floats, scales: Floats, *, price: float, overnight: float, key: tuple[int, str]) -> Floats:
    """Return (T, F) bars whose closes have these log returns.

    The gap to the open is drawn given the whole return: of a normal move a share w of the variance belongs to the gap,
    whose conditional mean is w r and variance w (1 - w) s**2. The highest point of a Brownian bridge that moves by d with
    variance v is (d + sqrt(d**2 - 2 v log u)) / 2 for u uniform (Karatzas and Shreve 1991, eq. 4.3.40); the lowest alike.
    """
    bars = len(returns)
    gap = overnight * returns + (overnight * (1 - overnight)) ** 0.5 * scales * _stream(
        *key, "gap"
    ).standard_normal(bars)
    move = returns - gap
    variance = (1 - overnight) * scales**2
    above = -np.log1p(-_stream(*key, "high").random(bars))
    below = -np.log1p(-_stream(*key, "low").random(bars))
    closes = price * np.exp(np.cumsum(returns))
    opens = np.concatenate([[price], closes[:-1]]) * np.exp(gap)
    highs = opens * np.exp((move + np.sqrt(move**2 + 2 * variance * above)) / 2)
    lows = opens * np.exp((move - np.sqrt(move**2 + 2 * variance * below)) / 2)
    # Rounding may put an extreme one unit inside the body.
    highs = np.maximum(highs, np.maximum(opens, closes))
    lows = np.minimum(lows, np.minimum(opens, closes))
    noise = _stream(*key, "volume").standard_normal(bars)
    volumes = np.round(_USUAL_VOLUME * np.exp(_VOLUME_SPREAD * (noise + np.abs(returns) / scales)))
    return np.stack([opens, highs, lows, closes, volumes], axis=1)


def _stream(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of a seed and names: equal ones give equal streams."""
    words = np.frombuffer(hashlib.sha256(repr((seed, *names)).encode()).digest(), dtype=np.uint32)
    return np.random.default_rng(words.tolist())
