"""Html: a run as one offline file that asks the network for nothing and runs no script but its own."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from backtest.errors import RunError
from backtest.report.blocks import Chart, Section
from backtest.report.compute import compute_section
from backtest.report.embedding import embedded, script_json
from backtest.report.glossary import GLOSSARY, LIQUIDITY_GLOSSARY
from backtest.report.liquidity import liquidity_figures, liquidity_sections
from backtest.report.luck import luck_section
from backtest.report.material import Material
from backtest.report.overview import data_section, key_figures, metrics_section, provenance, verdict_words
from backtest.report.palette import style_variables, swaps
from backtest.report.performance import calendar_section, drawdown_section, equity_section, folds_section
from backtest.report.records import findings_section, fits_section, reproduction_section
from backtest.report.security import chart_library, content_policy
from backtest.report.skill import skill_section
from backtest.report.trading import costs_section, exposures_section, trades_section

TEMPLATES = Path(__file__).parent / "templates"
MAX_BYTES = 3_000_000

SECTIONS = (
    data_section,
    metrics_section,
    equity_section,
    drawdown_section,
    calendar_section,
    folds_section,
    skill_section,
    luck_section,
    costs_section,
    exposures_section,
    trades_section,
    compute_section,
    findings_section,
    fits_section,
)
"""Every section between the verdict and the glossary, in order; a new one is a function and a line here."""


def write_report(manifest: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], path: Path) -> Path:
    """Write the report of a run and return its path; the file appears whole or not at all.

    Args:
        manifest: what the run is and what it concluded (docs/architecture.md).
        tables: the stored tables by name; what is missing is said to be missing.
        path: the HTML file.

    Raises:
        RunError: when the run has no id, the report would exceed 3 MB, or the file cannot be written.
    """
    page = render_report(manifest, tables).encode()
    if len(page) > MAX_BYTES:
        raise RunError(f"the report would have {len(page):,} bytes; at most {MAX_BYTES:,} are allowed")
    draft = path.with_name(f".{path.name}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(page)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise RunError(f"the report cannot be written to {path}: {error.strerror or error}") from error
    return path


def render_report(manifest: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> str:
    """Return the HTML of a run's report; the same run gives the same text."""
    run = Material(manifest, tables)
    is_liquidity = manifest.get("experiment") == "liquidity"
    sections = list(liquidity_sections(run)) if is_liquidity else [section(run) for section in SECTIONS]
    scripts = {"library": chart_library(), "page": _part("report.js")}
    return _environment().get_template("report.html.jinja").render(
        title=f"{manifest.get('name') or 'run'} · {verdict_words(run)['status']}",
        name=str(manifest.get("name") or "run"),
        policy=content_policy(list(scripts.values())),
        light=style_variables(dark=False),
        dark=style_variables(dark=True),
        style=_part("report.css"),
        scripts=scripts,
        verdict=verdict_words(run),
        figures=liquidity_figures(run) if is_liquidity else key_figures(run),
        provenance=provenance(run),
        sections=sections,
        glossary=(*LIQUIDITY_GLOSSARY, *GLOSSARY) if is_liquidity else GLOSSARY,
        reproduction=reproduction_section(run),
        charts=_charts(sections),
        colors=script_json(swaps()),
    )  # fmt: skip


def _charts(sections: list[Section]) -> str:
    charts = [block for section in sections for block in section.blocks if isinstance(block, Chart)]
    figures = {f"chart-{chart.name}": chart.figure for chart in charts}
    figures |= {
        f"chart-{chart.name}-log": chart.alternative for chart in charts if chart.alternative is not None
    }
    return embedded(figures) if figures else script_json({"documents": {}, "items": []})


@lru_cache(maxsize=4)
def _part(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8").strip()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
