"""YAML 1.2: what people write is what is read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.yaml12 import dump_yaml, load_yaml
from data.errors import SpecError

TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=10)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(allow_nan=False), TEXT
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("1e-3", 1e-3), ("1_000", "1_000"), ("2020-01-31", "2020-01-31"),
        ("012", 12), ("0x10", "0x10"), ("12:30:00", "12:30:00"), ("true", True), ("~", None), (".5", 0.5), ("1.", 1.0),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    read = load_yaml(f"key: {text}")["key"]
    assert read == value
    assert type(read) is type(value)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(TEXT, st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), max_size=4))
def test_what_is_dumped_is_read_back(value: dict[str, object]) -> None:
    assert load_yaml(dump_yaml(value)) == value


def test_a_repeated_key_names_both_lines() -> None:
    with pytest.raises(SpecError, match="key 'a' stands twice, in lines 1 and 3"):
        load_yaml("a: 1\nb: 2\na: 3")


def test_broken_yaml_names_the_line() -> None:
    with pytest.raises(SpecError, match="line 3 is not YAML"):
        load_yaml("a: 1\nb: [1, 2\n")


def test_an_alias_bomb_is_refused() -> None:
    bomb = "a: &a [x]\nb: [" + ", ".join(["*a"] * 100) + "]"
    with pytest.raises(SpecError, match="aliases"):
        load_yaml(bomb)


def test_no_python_object_can_be_made() -> None:
    with pytest.raises(SpecError, match="could not determine a constructor"):
        load_yaml("a: !!python/object/apply:os.system ['true']")
