"""Security: the inline scripts of a report and the policy that lets no other script run and nothing be fetched."""

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache

from bokeh.resources import Resources


@lru_cache(maxsize=1)
def chart_library() -> str:
    """Return Bokeh's minified core as it can stand inside a script element.

    The parser of HTML ends a script at the first closing tag and rewrites carriage returns, so neither may occur.
    """
    core = Resources(mode="inline", components=["bokeh"], minified=True).js_raw[0]
    return core.replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script").strip()


def script_hash(script: str) -> str:
    """Return the CSP source that allows exactly this script: sha256 of its UTF-8 bytes, base64."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"


def content_policy(scripts: Sequence[str]) -> str:
    """Return a Content-Security-Policy that allows these inline scripts, inline styles and data images; nothing else."""
    hashes = " ".join(script_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
