"""The table for people, and the same as one JSON document for programs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.row import VIRTUAL, Row

_HELD = {True: "[green]yes", False: "[red]no", None: ""}


def show(console: Console, rows: Iterable[Row], machine: Mapping[str, Any], *, smoke: bool) -> None:
    """Print all rows, and the machine under them."""
    size = "smoke: small sizes, a clock that runs faster; only ratios and counts are judged" if smoke else "full"
    table = Table(title=f"lhbackupd beside what it is compared to ({size})", title_justify="left")
    for name in ("measured", "lhbackupd", "compared to", "Longhorn's job", "bound", "held", "clock", "n", "note"):
        right = name in {"lhbackupd", "Longhorn's job", "bound", "n"}
        table.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in rows:
        beside = "" if row.beside is None else f"{_number(row.beside, row.unit)} "
        native, bound = ("" if found is None else _number(found, row.unit) for found in (row.native, row.bound))
        cells = (row.what, _number(row.value, row.unit), f"{beside}{row.than}", native, bound, _HELD[row.held])
        clock = "virtual" if row.speed == VIRTUAL else f"{row.speed:g}x"
        table.add_row(*cells, clock, str(row.count), row.note)
    console.print(table)
    memory = f"{machine['memory'] / 2**30:.0f} GiB"
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    console.print(f"{machine['cpu']}, {machine['cores']} cores, {memory}; {machine['kernel']}; {machine['python']}")
    console.print(versions)


def document(rows: Iterable[Row], machine: Mapping[str, Any], *, smoke: bool, failed: bool) -> str:
    """One JSON document: rows as they are, with what follows from them."""
    listed = [{**asdict(row), "ratio": row.ratio, "held": row.held} for row in rows]
    return json.dumps({"smoke": smoke, "failed": failed, "machine": machine, "rows": listed}, indent=2)


def _number(value: float, unit: str) -> str:
    text = f"{value:.2f}" if unit == "s" else f"{value:g}"
    return f"{text} {unit}".strip()
