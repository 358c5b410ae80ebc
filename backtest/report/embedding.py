"""Embedding: figures as one JSON document that is the same bytes for the same run."""

import json
import re
from collections.abc import Mapping
from typing import Any

from bokeh.document import Document
from bokeh.embed.util import standalone_docs_json_and_render_items

_IDENTITY = re.compile(r"^p\d+$")
DOCUMENT = "report"


def embedded(figures: Mapping[str, Any]) -> str:
    """Return the JSON a page needs to draw figures into the elements of the same names.

    All figures are roots of one document, so that sources and ranges they share are stored once. Bokeh numbers models by
    a counter of the process; here they are numbered by where they stand.
    """
    document = Document()
    for figure in figures.values():
        document.add_root(figure)
    documents, _ = standalone_docs_json_and_render_items(list(figures.values()))
    (content,) = documents.values()
    numbers: dict[str, str] = {}
    content = _renumbered(content, numbers)
    targets = {numbers[figure.id]: name for name, figure in figures.items()}
    items = [{"docid": DOCUMENT, "roots": targets, "root_ids": list(targets)}]
    return script_json({"documents": {DOCUMENT: content}, "items": items})


def script_json(value: Any) -> str:
    """Return JSON that may stand inside a script element."""
    dumped = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return dumped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _renumbered(node: Any, numbers: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: _number(v, numbers) if key == "id" else _renumbered(v, numbers) for key, v in node.items()
        }
    if isinstance(node, list):
        return [_renumbered(item, numbers) for item in node]
    return node


def _number(value: Any, numbers: dict[str, str]) -> Any:
    if isinstance(value, str) and _IDENTITY.match(value):
        return numbers.setdefault(value, f"m{len(numbers)}")
    return value
