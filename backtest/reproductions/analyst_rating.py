"""Analyst ratings: what the published accuracy implies, and how a random split turns no skill into 75 %.

Singh and Khushi (Appl. Syst. Innov. 2021, 4(1), 17; arXiv 2103.09106) forecast whether a stock of the S&P 500 moves by 1 % within ten
days from 5 technical and 23 fundamental indicators. Neither code nor data are public, and whether they split at random is not
known. What can be shown: the arithmetic of their abstract, the base rates of their label, and what a random split does to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtest.classification import Parts
from backtest.errors import FoldError
from backtest.reproductions.base import AbstractReproduction, Reproduction, Row, require_file
from data.panel import Floats
from data.registry import spec, validated
from forecast.feature_ranking import FeatureRanking, rank_features
from forecast.labels import MOVES, UNKNOWN, Classes, Rows, base_rates, move_labels, touched_share
from forecast.models.classifiers import RandomForest
from forecast.probability_scores import mean_interval

TECHNICAL = ("rsi", "macd", "distance from mean", "volatility", "relative volume")
SLOW = ("log price", "log dollar volume", "slow momentum")
UP = MOVES.index("up")


@spec
class AnalystRating(AbstractReproduction):
    """The abstract's arithmetic, the label's base rates, and one classifier on two splits.

    Attributes:
        file: daily bars with the columns Symbol, Date, High, Close, Adj Close and Volume.
        accuracy: published accuracy.
        precision: published precision of the class up.
        least_recall: least recall of the class down that is printed as 100 %.
        threshold: of the label, as a share.
        horizon: dates ahead of the label.
        stocks: how many are drawn from those with every date.
        first_row: rows left out at the start of each stock, where slow features are not there yet.
        gap: dates between the last training date and the first test date of the purged split.
        test_share: of the samples (random) or of the dates (purged).
        trees: of the random forest; grown fully.
        faang: the stocks of the published backtest.
        published: name of a row -> the figure measured before.
        ranked_trees: of the smaller forests that rank the features.
        seed: of the draws and of the forest.
    """

    file: str
    accuracy: float
    precision: float
    least_recall: float
    threshold: float
    horizon: int
    stocks: int
    first_row: int
    gap: int
    test_share: float
    trees: int
    ranked_trees: int
    faang: tuple[str, ...]
    published: dict[str, float]
    seed: int = 0

    def run(self, folder: Path) -> Reproduction:
        """Return the implied shares, the base rates, both splits with and without slow features, and the verdict."""
        if self.gap < self.horizon - 1:
            raise FoldError(
                f"gap was {self.gap}; labels known {self.horizon} dates later need at least {self.horizon - 1}"
            )
        prices = read_prices(require_file(folder, self.file))
        rng = np.random.default_rng(self.seed)
        chosen = rng.choice(prices.complete, self.stocks, replace=False)
        table = samples_of(prices, chosen, self.horizon, self.threshold, self.first_row)
        rows = [*self._implied(), *self._base_rates(prices)]
        for name, count in (
            ("5 technical", len(TECHNICAL)),
            ("5 technical + 3 slow", table.features.shape[1]),
        ):
            own = table.first(count)
            for split, parts in (
                ("random", random_parts(own, self.test_share, rng)),
                ("purged", purged_parts(own, self.test_share, self.gap)),
            ):
                rows += self._judged(f"{name}, {split} split", own, parts)
        ranked = {
            "random": self._ranked(table, random_parts(table, self.test_share, rng)),
            "purged": self._ranked(table, purged_parts(table, self.test_share, self.gap)),
        }
        rows += [_ranking_row(split, ranking) for split, ranking in ranked.items()]
        verdict = self._verdict({row.name: row for row in rows}, ranked)
        return Reproduction(self.claim, self.public, "share, or accuracy", tuple(rows), verdict, 3)

    def _implied(self) -> list[Row]:
        bound = implied_shares(self.accuracy, self.precision, self.least_recall)
        named = {
            "implied: share of down labels, at least": bound.down_share,
            "implied: recall of up, at most": bound.up_recall,
            "implied: share of up forecasts, at most": bound.up_forecasts,
            "implied: gain over always down, at most": bound.gain,
        }
        return [self._row(name, value, is_naive=False) for name, value in named.items()]

    def _base_rates(self, prices: "Prices") -> list[Row]:
        closes = prices.table(prices.complete, "Adj Close")
        labels = move_labels(closes, self.horizon, self.threshold)
        down, flat, up = base_rates(labels.classes)
        touched = touched_share(closes, self.horizon, self.threshold)
        few = base_rates(
            move_labels(prices.table(list(self.faang), "Adj Close"), self.horizon, self.threshold).classes
        )
        named = {
            "up": up,
            "down": down,
            "flat": flat,
            "touching up": touched,
            "FAANG up": few[UP],
            "FAANG down": few[0],
        }
        return [self._row(f"base rate: {name}", value, is_naive=True) for name, value in named.items()]

    def _judged(self, name: str, table: "RatingSamples", parts: Parts) -> list[Row]:
        forest = grown_forest(self.trees, self.seed)
        forest.fit(table.features[parts.train], table.classes[parts.train])
        asked, truth = forest.predict(table.features[parts.test]), table.classes[parts.test]
        right = (asked == truth).astype(np.float64)
        block = 2 * self.horizon
        low, high = mean_interval(right, table.dates[parts.test], block, np.random.default_rng(self.seed))
        return [
            self._row(f"{name}: accuracy", float(right.mean()), is_naive=False, ends=(low, high)),
            self._row(f"{name}: no information", float(base_rates(truth).max()), is_naive=True),
            self._row(f"{name}: precision of up", float((truth[asked == UP] == UP).mean()), is_naive=False),
        ]

    def _ranked(self, table: "RatingSamples", parts: Parts) -> FeatureRanking:
        def learn(rows: Rows) -> "_Forest":
            forest = grown_forest(self.ranked_trees, self.seed)
            return _Forest(forest.fit(table.features[rows], table.classes[rows]))

        return rank_features(
            learn,
            table.features,
            table.classes,
            [(parts.train, parts.test)],
            names=(*TECHNICAL, *SLOW),
            repeats=1,
            rng=np.random.default_rng(self.seed),
        )

    def _row(
        self, name: str, value: float, *, is_naive: bool, ends: tuple[float, float] = (np.nan, np.nan)
    ) -> Row:
        return Row(name, float(value), *ends, self.published.get(name), is_naive)

    def _verdict(self, rows: Mapping[str, Row], ranked: Mapping[str, FeatureRanking]) -> str:
        leaky = rows["5 technical + 3 slow, random split: accuracy"].value
        honest = rows["5 technical + 3 slow, purged split: accuracy"]
        commonest = rows["5 technical + 3 slow, purged split: no information"].value
        skill = "Skill shown" if honest.low > commonest else "No skill shown"
        return (
            f"{skill}: split at random the forest says {leaky:.3f}, purged {honest.value:.3f} ({honest.low:.3f} to {honest.high:.3f}) "
            f"beside {commonest:.3f} for naming the commonest class. Split at random the first features are "
            f"{', '.join(ranked['random'].order[:3])}; purged they are {', '.join(ranked['purged'].order[:3])}. The published figures "
            f"need a test set with {rows['implied: share of down labels, at least'].value:.1%} down labels or more; of all moves "
            f"{rows['base rate: down'].value:.1%} are."
        )


@dataclass(frozen=True)
class ImpliedShares:
    """What accuracy, precision of up and recall of down leave possible, for two classes.

    Attributes:
        down_share: least share of down labels.
        up_forecasts: largest share of up forecasts.
        up_recall: largest recall of up.
        gain: largest gain in accuracy over always saying down.
    """

    down_share: float
    up_forecasts: float
    up_recall: float
    gain: float


def implied_shares(accuracy: float, precision: float, recall: float) -> ImpliedShares:
    """Return the bounds at a recall of down of ``recall`` or more, below 1.

    With s the share of down labels, r the recall of down and p the precision of up: up forecasts that are wrong are (1 - r) s, so
    up forecasts are (1 - r) s / (1 - p), accuracy = s (r + (1 - r) p / (1 - p)) and the recall of up is
    (1 - r) s p / ((1 - p) (1 - s)). A larger r leaves a larger s and fewer up forecasts, so each is bound at ``recall``; only the
    share itself is bound from below.

    Args:
        accuracy: share of right forecasts.
        precision: share of up forecasts that are right, below 1.
        recall: least share of down labels that are forecast, below 1.
    """
    odds = precision / (1.0 - precision)
    share = accuracy / (recall + (1.0 - recall) * odds)
    forecasts = (1.0 - recall) * share / (1.0 - precision)
    return ImpliedShares(share, forecasts, forecasts * precision / (1.0 - share), accuracy - share)


@dataclass(frozen=True, eq=False)
class Prices:
    """Daily bars by stock.

    Attributes:
        frame: one row a stock and date, no duplicates, in the order of both.
        complete: names of the stocks that have every date, in alphabetical order.
    """

    frame: pd.DataFrame
    complete: npt.NDArray[np.object_]

    def of(self, name: str, column: str) -> pd.Series:
        """Return one column of one stock, (T,), float64."""
        own = self.frame.loc[self.frame["Symbol"] == name, column]
        return own.astype(np.float64).reset_index(drop=True)

    def table(self, names: "list[str] | npt.NDArray[np.object_]", column: str) -> Floats:
        """Return one column of some complete stocks, (T, S)."""
        return np.column_stack([self.of(name, column).to_numpy() for name in names])


def read_prices(path: Path) -> Prices:
    """Return the bars of a file without the rows it holds twice."""
    frame = pd.read_parquet(path).astype({"Symbol": str})
    frame = frame.drop_duplicates(["Symbol", "Date"]).sort_values(["Symbol", "Date"], kind="stable")
    counts = frame.groupby("Symbol").size()
    return Prices(frame, counts[counts == frame["Date"].nunique()].index.to_numpy(object))


@dataclass(frozen=True, eq=False)
class RatingSamples:
    """Samples of several stocks, one stock after the other.

    Attributes:
        features: (N, F), technical ones first.
        classes: (N,) moves.
        dates: (N,) position of the decision's date.
    """

    features: Floats
    classes: Classes
    dates: Rows

    def first(self, count: int) -> "RatingSamples":
        """Return the samples with their first features only."""
        return RatingSamples(self.features[:, :count], self.classes, self.dates)


def samples_of(
    prices: Prices, names: npt.NDArray[np.object_], horizon: int, threshold: float, first_row: int
) -> RatingSamples:
    """Return the samples of the named stocks from ``first_row`` on, as far as labels are known."""
    features, classes, dates = [], [], []
    for name in names:
        closes, volumes = prices.of(name, "Adj Close"), prices.of(name, "Volume")
        labels = move_labels(closes.to_numpy()[:, None], horizon, threshold).classes[:, 0]
        kept = np.flatnonzero((labels != UNKNOWN) & (np.arange(len(labels)) >= first_row))
        features.append(indicators(closes, volumes)[kept])
        classes.append(labels[kept])
        dates.append(kept)
    return RatingSamples(np.concatenate(features), np.concatenate(classes), np.concatenate(dates))


def random_parts(table: RatingSamples, test_share: float, rng: np.random.Generator) -> Parts:
    """Return training and test rows drawn sample by sample: the split that leaks."""
    is_train = rng.random(len(table.classes)) < 1.0 - test_share
    return Parts(np.flatnonzero(is_train), np.flatnonzero(~is_train))


def purged_parts(table: RatingSamples, test_share: float, gap: int) -> Parts:
    """Return the last dates as test rows and, as training rows, those with ``gap`` dates or more between."""
    dates = np.unique(table.dates)
    start = dates[int(len(dates) * (1.0 - test_share))]
    return Parts(np.flatnonzero(table.dates < start - gap), np.flatnonzero(table.dates >= start))


def indicators(closes: pd.Series, volumes: pd.Series) -> Floats:
    """Return the five technical and three slow features of one stock, (T, 8); NaN while their windows fill.

    RSI over 14 days with Wilder's smoothing, (EMA12 - EMA26) over the price, distance from the 20-day mean, 20-day deviation of
    returns, volume over its 20-day mean; log of the 63-day mean price, log of the 63-day mean dollar volume, and the 63-day over
    the 189-day mean price. Each row reads rows up to its own.

    Args:
        closes: (T,) adjusted closes.
        volumes: (T,) shares traded.
    """
    change, returns = closes.diff(), closes.pct_change()
    rises = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    falls = (-change.clip(upper=0)).ewm(alpha=1 / 14, adjust=False).mean()
    spread = closes.ewm(span=12, adjust=False).mean() - closes.ewm(span=26, adjust=False).mean()
    quarter = closes.rolling(63).mean()
    columns = (
        100 - 100 / (1 + rises / falls),
        spread / closes,
        closes / closes.rolling(20).mean() - 1,
        returns.rolling(20).std(),
        volumes / volumes.rolling(20).mean(),
        np.log(quarter),
        np.log((closes * volumes).rolling(63).mean()),
        quarter / closes.rolling(189).mean(),
    )
    return np.column_stack([np.asarray(column, np.float64) for column in columns])


def grown_forest(trees: int, seed: int) -> Any:
    """Return an unfitted forest whose trees are grown until every leaf holds one sample."""
    return validated(RandomForest, {"trees": trees, "least_leaf": 1}, "forest").estimator(seed)


@dataclass(frozen=True, eq=False)
class _Forest:
    """A fitted forest that answers with the probabilities of all moves."""

    forest: Any

    def __call__(self, features: Floats) -> Floats:
        return np.asarray(self.forest.predict_proba(features))


def _ranking_row(split: str, ranking: FeatureRanking) -> Row:
    lost = dict(zip(ranking.names, ranking.importance, strict=True))
    value = float(np.mean([lost[name] for name in SLOW]))
    return Row(
        f"{split} split: accuracy lost when a slow feature is shuffled", value, np.nan, np.nan, None, False
    )
