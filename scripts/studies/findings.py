"""The findings of `wayfold data check` on every real file of equities, intraday and crypto kept beside the project."""

import argparse
import sys
from pathlib import Path

import pandas as pd

from data.findings import findings_frame
from data.frames import canonical
from data.quality import check_bars
from data.sessions import BarClock

FILES: dict[str, tuple[BarClock, dict[str, str]]] = {
    "equities/nifty50_daily_yahoo_2007_2023.csv": (BarClock("XBOM"), {}),
    "equities/nifty50_daily_merged_2007_2023.csv": (BarClock("XBOM"), {}),
    "equities/sp500_daily_2015_2020.parquet": (BarClock("XNYS"), {}),
    "equities/us_equity_daily_raw.parquet": (BarClock("XNYS"), {}),
    "intraday/nifty50_5min_2013_2016.parquet": (BarClock("XBOM", "5min"), {"zone": "Asia/Kolkata"}),
    "intraday/nse_stocks_5min_2014_2015.parquet": (BarClock("XBOM", "5min"), {"zone": "Asia/Kolkata"}),
    "crypto/btcusd_1h_bitfinex.parquet": (BarClock("24/7", "1h"), {"stamps": "start"}),
    "crypto/ethusd_1h_gemini.parquet": (BarClock("24/7", "1h"), {"stamps": "start"}),
    "crypto/btc_perp_1m_20211231_20220201_nautilus.parquet": (BarClock("24/7", "1min"), {}),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=2, help="findings shown of each kind")
    arguments = parser.parse_args()
    for name, (clock, options) in FILES.items():
        path = arguments.data / name
        if not path.is_file():
            sys.exit(f"error: '{name}' was not found in {arguments.data}")
        raw = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        long = canonical(raw, default_series=path.stem, clock=clock, **options)
        table = findings_frame(check_bars(long, clock))
        print(f"\n{name} ({clock.calendar}, {clock.bar}): {len(table)} findings")
        for (kind, severity), part in table.groupby(["kind", "severity"], sort=False):
            print(
                f"  {severity:8s}{kind:26s}{len(part):4d} findings, {int(part['count'].sum()):,} rows or bars"
            )
            for row in part.head(arguments.examples).itertuples():
                print(f"    {row.series}.{row.field} {str(row.time)[:16]} value {row.value:g}: {row.message}")


if __name__ == "__main__":
    main()
