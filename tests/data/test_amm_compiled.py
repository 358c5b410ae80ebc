from pathlib import Path

from data.amm import compiled, path, pool
from data.compiled import source_stamp


def test_a_kernel_is_compiled_again_when_a_constant_of_pools_changes() -> None:
    stamp = path._fee_growth._cache._cache_file._source_stamp
    facts = Path(pool.__file__).stat()
    assert stamp == source_stamp([Path(path.__file__), Path(pool.__file__)])
    assert stamp[1] == (facts.st_mtime, facts.st_size)


def test_a_changed_file_has_another_stamp(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel.py"
    kernel.write_text("one")
    before = source_stamp([kernel])
    kernel.write_text("another")
    assert source_stamp([kernel]) != before


def test_both_forms_are_compiled_functions_of_numba() -> None:
    assert compiled.compiled(lambda: 1)() == compiled.inlined(lambda: 1)() == 1
