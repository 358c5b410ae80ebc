"""Layout: the codes of the compiled loop are the positions of the words, and its cache knows all of its files."""

from pathlib import Path

from backtest.engine import fills, kernel, layout, orders, rejections


def test_codes_are_the_positions_of_the_words():
    assert fills.REASONS[layout.FIRST_KIND :] == orders.KINDS
    for word in ("target", "split", "cash_in_lieu", "liquidation", "margin_call", "delisting"):
        assert fills.REASONS[getattr(layout, word.upper())] == word
    for word in orders.KINDS:
        assert orders.KINDS[getattr(layout, word.upper())] == word
    words = {"cash": "CASH", "margin": "MARGIN", "shortable": "SHORTABLE", "expired": "EXPIRED"}
    for word, code in (words | {"margin_call": "CALLED", "delisted": "DELISTED"}).items():
        assert rejections.REASONS[getattr(layout, code)] == word


def test_a_change_in_any_file_of_the_loop_makes_its_cache_stale():
    folder = Path(layout.__file__).parent
    using = {
        path.name
        for path in folder.glob("*.py")
        if "@compiled" in path.read_text() and not path.name.startswith("exact")
    }
    stamp = kernel.run._cache._cache_file._source_stamp
    sizes = {size for _, size in stamp}
    assert {(folder / name).stat().st_size for name in (*using, "layout.py")} <= sizes
