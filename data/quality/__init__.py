"""Quality: every check of bars, from files or from a loaded history. Nothing is repaired here.

Kinds of findings, with the usual severity (i information, w warning, e error):

    stamps    missing_stamp e, unsorted e, duplicate w, conflicting_duplicate e, one_row e, off_grid w (e when most are),
              start_stamps e, gap w, short_session i, partial_history i (loaded histories only)
    values    empty_field w (e for the price), empty_row w, partial_bar w, infinite e, zero_bar e, non_positive_price e,
              negative_volume e, inconsistent_bar e, price_spike w, decimals i
    staleness stale_price w, stale_open w, no_volume w, zero_volume w or i
    levels    unadjusted_split e, ticker_reuse e (w for a mere pause), large_move i, volume_unit w
    repairs   repaired_* i (from ``data.repairs``)
"""

from data.quality.check import check_bars, check_panel

__all__ = ["check_bars", "check_panel"]
