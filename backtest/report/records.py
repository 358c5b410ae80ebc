"""Records: findings on the data, the fit log, the glossary and how to run it again."""

import json

from backtest.report.blocks import Absent, Block, Code, Column, Facts, Prose, Section, table_of
from backtest.report.formats import count, label, moment, number, significant, text
from backtest.report.material import NOT_STORED, Material
from backtest.yaml12 import dump_yaml

_FINDINGS = (
    Column("series", "Series", text),
    Column("kind", "Kind", label),
    Column("severity", "Severity", text),
    Column("time", "From", moment),
    Column("count", "Count", count),
    Column("value", "Value", significant),
    Column("message", "What was found", text),
)
_FITS = (
    Column("model", "Model", text),
    Column("fold", "Fold", count),
    Column("cutoff", "Cutoff", moment),
    Column("reason", "Why", text),
    Column("rows", "Rows", count),
    Column("cpu_seconds", "CPU seconds", lambda value: number(value, 3)),
    Column("cost_proxy", "Cost proxy", count),
    Column("failure", "Failure", text),
)


def findings_section(run: Material) -> Section:
    """Return the defects found in the data."""
    lede = "Defects are listed, never silently repaired."
    findings = run.table("findings")
    block: Block
    if findings is not None:
        block = table_of(
            findings, run.dated(_FINDINGS), "Findings on the data of this run.", "findings.parquet", "tall"
        )
    else:
        block = Prose(("Nothing was found.",)) if "findings" in run.tables else Absent("findings")
    return Section("findings", "Data findings", lede, (block,))


def fits_section(run: Material) -> Section:
    """Return when each model was fitted, why, and on how much."""
    fits = run.table("fits")
    block: Block = Absent("fits")
    if fits is not None:
        block = table_of(
            fits, run.dated(_FITS), "Every fit, in the order of models and folds.", "fits.parquet", "tall"
        )
    return Section("fits", "Fit log", "When each model learnt, and what it cost.", (block,))


def reproduction_section(run: Material) -> Section:
    """Return what is needed to run it again: spec, fingerprint, versions and commands."""
    manifest, data = run.manifest, run.data
    short = str(manifest["id"])[:12]
    facts = Facts(
        (
            ("Run id", str(manifest["id"])),
            ("Code version", text(manifest.get("code_version"))),
            ("Data fingerprint", text(data.get("fingerprint"))),
            (
                "Data identity",
                json.dumps(data.get("identity"), default=str) if data.get("identity") else NOT_STORED,
            ),
            ("Seed", text(manifest.get("seed"))),
            ("Python", text(manifest.get("python"))),
            (
                "Packages",
                ", ".join(f"{k} {v}" for k, v in (manifest.get("packages") or {}).items()) or NOT_STORED,
            ),
            ("CPU seconds", number(manifest.get("cpu_seconds"), 1)),
        ),
        "hashes",
    )
    name = str(manifest.get("name") or "run")
    file = "".join(c if c.isalnum() or c in "-_" else "-" for c in name) + ".yaml"
    commands = f"wayfold backtest {file}\nwayfold runs show {short}\nwayfold report {short}"
    blocks: list[Block] = [facts, Code(f"Save the settings below as {file}, then:", commands)]
    spec = manifest.get("spec")
    if spec:
        plain = json.loads(json.dumps(spec, default=str))
        blocks.append(Code(f"{file}: every setting, defaults included", dump_yaml(plain), is_folded=True))
    else:
        blocks.append(Absent("spec"))
    lede = "The same settings, data, code and seed give the same run, bit for bit."
    return Section("reproduce", "Reproduce", lede, tuple(blocks))
