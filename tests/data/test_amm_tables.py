"""Claims about tables of pool files: no digit is lost, and a file that cannot be read says why."""

import numpy as np
import pandas as pd
import pytest

from data.amm.tables import instants, numbers, read_table, whole_numbers
from data.errors import SourceError

BIG = 2**255 - 19


def test_integers_of_256_bits_survive_csv_and_parquet(tmp_path):
    table = pd.DataFrame({"n": [str(BIG), None, str(-BIG)]})
    table.to_csv(tmp_path / "n.csv", index=False, na_rep="")
    table.to_parquet(tmp_path / "n.parquet")
    for name in ("n.csv", "n.parquet"):
        assert whole_numbers(read_table(tmp_path / name), "n") in ([BIG, None, -BIG], [BIG, -BIG])


def test_whole_floats_are_whole_numbers_and_others_are_not():
    assert whole_numbers(pd.DataFrame({"n": [199045.0, np.nan]}), "n") == [199045, None]
    with pytest.raises(SourceError, match="column 'n' holds 0.5 at row 0"):
        whole_numbers(pd.DataFrame({"n": [0.5]}), "n")


def test_stamps_with_and_without_a_zone_are_utc():
    found = instants(pd.DataFrame({"t": ["2024-01-05 00:00:23", "2024-01-05T02:00:23+02:00"]}), "t")
    assert found[0] == found[1] == np.datetime64("2024-01-05T00:00:23", "ns")


def test_what_is_no_number_is_named():
    with pytest.raises(SourceError, match="column 'x' holds 'a' at row 1; a number is needed"):
        numbers(pd.DataFrame({"x": ["1", "a"]}), "x")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.csv", None, "missing.csv cannot be read"),
        ("empty.csv", "", "empty.csv cannot be read"),
        ("none.csv", "a,b\n", "none.csv has no rows"),
        ("bad.parquet", "not parquet", "bad.parquet cannot be read"),
        ("notes.txt", "a", "notes.txt is no pool file by its name; allowed: .csv, .csv.gz, .parquet, .pq"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=words):
        read_table(tmp_path / name)
