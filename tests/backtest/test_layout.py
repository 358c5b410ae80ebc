"""Layout: codes are the positions of the words, the cache knows all files of the loop, and helpers stay indoors."""

from pathlib import Path

import pytest

from backtest.engine import fills, kernel, layout, orders, rejections
from backtest.engine.dealing import above_minimum, to_lot


@layout.compiled
def lots(units, lot):
    return to_lot(units, lot)


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
        if any(f"\n@{name}\n" in path.read_text() for name in ("compiled", "helper", "inlined"))
        and not path.name.startswith("exact")
    }
    stamp = kernel.run._cache._cache_file._source_stamp
    sizes = {size for _, size in stamp}
    assert {(folder / name).stat().st_size for name in (*using, "layout.py")} <= sizes


def test_a_helper_works_inside_compiled_functions():
    assert lots(7.9, 2.0) == 6.0


@pytest.mark.parametrize("indoors", [to_lot, above_minimum])
def test_a_helper_called_from_python_is_refused_where_it_would_end_the_process(indoors):
    with pytest.raises(TypeError, match=f"{indoors.__name__} is called by compiled functions alone"):
        indoors(1.5, 1.0)
