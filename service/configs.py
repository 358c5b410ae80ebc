"""Shipped configurations: found beside the code in a checkout, inside the package in a wheel."""

from pathlib import Path

from data.errors import SpecError, nearest


def configs_folder() -> Path:
    """Return the folder of shipped configurations."""
    here = Path(__file__).resolve().parent
    packaged = here / "_configs"
    return packaged if packaged.is_dir() else here.parent / "configs"


def config_path(name: str) -> Path:
    """Return the file of a configuration: a path, or the name of a shipped one (``quickstart``).

    Raises:
        SpecError: when neither exists.
    """
    if Path(name).is_file():
        return Path(name)
    shipped = {path.stem: path for path in configs_folder().glob("*.yaml")}
    if name in shipped:
        return shipped[name]
    raise SpecError(
        f"configuration '{name}' was not found; a file, or one of: {', '.join(sorted(shipped))}{_hint(name, shipped)}"
    )


def _hint(name: str, shipped: dict[str, Path]) -> str:
    hint = nearest(name, shipped)
    return hint if "did you mean" in hint else ""
