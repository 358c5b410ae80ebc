"""Claims about registries: kinds by name, strict values, and messages that name every fault."""

import subprocess
import sys
from typing import Annotated

import pytest
from pydantic import Field

from data.errors import SpecError
from data.registry import Registry, plain, spec, validated
from data.sources.base import SOURCES


@spec
class Wheel:
    """A spec for these tests."""

    spokes: Annotated[int, Field(ge=3)]
    weight: float = 1.5
    names: tuple[str, ...] = ()
    is_round: bool = True


@spec
class Cart:
    """A spec inside a spec."""

    wheel: Wheel


def registry(**kinds):
    return Registry(
        "part", kinds or {"wheel": f"{__name__}:Wheel", "cart": f"{__name__}:Cart"}, "wayfold.no_such_group"
    )


def test_a_kind_is_built_described_and_built_again():
    made = registry().build({"kind": "wheel", "spokes": 8, "names": ["a", "b"]})
    assert made == Wheel(spokes=8, names=("a", "b"))
    assert registry().build(registry().describe(made)) == made
    assert hash(made) == hash(Wheel(spokes=8, names=("a", "b")))


def test_a_bare_word_is_a_kind_with_its_defaults():
    assert SOURCES.build("bundled") == SOURCES.build({"kind": "bundled"})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"kind": "weel", "spokes": 8}, "unknown part kind 'weel'; did you mean 'wheel'"),
        ({"spokes": 8}, "part has no 'kind'; allowed: cart, wheel"),
        (7, "part was 7; a mapping with 'kind:' is needed"),
        ({"kind": "wheel"}, "missing key 'part.spokes'"),
        ({"kind": "wheel", "spokes": 8, "wieght": 2}, "unknown key 'part.wieght'; did you mean 'weight'"),
        ({"kind": "wheel", "spokes": "8"}, "part.spokes was '8': input should be a valid integer"),
        ({"kind": "wheel", "spokes": True}, "part.spokes was True: input should be a valid integer"),
        ({"kind": "wheel", "spokes": 2}, "part.spokes was 2: input should be greater than or equal to 3"),
        ({"kind": "wheel", "spokes": 8, "weight": float("nan")}, "part.weight"),
        ({"kind": "wheel", "spokes": 8, "names": "ab"}, "part.names was 'ab'"),
        ({"kind": "wheel", "spokes": 8, "names": [object()]}, "no text, number, list or mapping"),
        ({"kind": "cart", "wheel": {"spokes": 1}}, "part.wheel.spokes was 1"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(config, words):
    with pytest.raises(SpecError, match=words):
        registry().build(config)


def test_one_error_names_every_fault():
    with pytest.raises(SpecError) as caught:
        validated(Wheel, {"spokes": 1, "weight": "x", "colour": "red"}, "front")
    assert all(word in str(caught.value) for word in ("front.spokes", "front.weight", "'front.colour'"))
    assert "\n" not in str(caught.value)


def test_a_class_that_is_not_registered_has_no_kind():
    with pytest.raises(SpecError, match="Wheel is not a registered part; allowed: other"):
        registry(other="json:JSONDecoder").kind_of(Wheel(spokes=3))


def test_specs_are_frozen_and_keyword_only():
    with pytest.raises(AttributeError):
        Wheel(spokes=3).spokes = 4
    with pytest.raises(ValueError, match="positional"):
        Wheel(3)


def test_plain_values_are_what_yaml_can_hold():
    assert plain(Cart(wheel=Wheel(spokes=3, names=("a",)))) == {
        "wheel": {"spokes": 3, "weight": 1.5, "names": ["a"], "is_round": True}
    }


def test_naming_the_sources_imports_none_of_them():
    code = (
        "import sys; from data.sources.base import SOURCES; SOURCES.names(); print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_registered_source_can_be_imported():
    for kind in SOURCES.kinds:
        assert SOURCES.load(kind).__doc__


def test_an_unknown_key_inside_a_nested_spec_names_the_nearest() -> None:
    from data.sources.base import SOURCES

    config = {"kind": "csv", "files": "a.csv", "calendar": "24/7", "repairs": {"duplicate": "keep_first"}}
    with pytest.raises(SpecError, match="unknown key 'data.repairs.duplicate'; did you mean 'duplicates'"):
        SOURCES.build(config, "data")


def test_a_field_that_holds_one_spec_of_a_role_is_written_with_its_kind() -> None:
    from data.sources.base import SOURCES
    from data.sources.pool_simulated import PoolSimulatedSource

    made = PoolSimulatedSource(reference=SOURCES.build({"kind": "synthetic", "count": 1}))
    assert plain(made)["reference"]["kind"] == "synthetic"


def test_a_registry_knows_the_specs_of_its_own_kinds_only():
    assert registry().knows(Wheel(spokes=8))
    assert not registry().knows(SOURCES.build("bundled"))
