"""One command, one table: `python -m benchmarks [--smoke] [--json]`.

Some scenarios run in processes of their own over real HTTP on loopback, others in virtual time. The full run takes
about 50 minutes on two cores; `--smoke` takes about two, on small sizes and a faster clock. It ends with 1 where a
bound is broken that the run judges, and with 2 where something could not be measured at all.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
from rich.console import Console

from benchmarks import cycle, growth, load, machine, native, night, scale, table, touch, waiting
from benchmarks.row import Row
from benchmarks.stage import BenchmarkError
from benchmarks.virtual import apart

#: columns of the table where nobody says how many there are
_WIDTH = 160

Scenario = Callable[[], Awaitable[list[Row]]]

_FULL: dict[str, Scenario] = {
    "cycle": lambda: cycle.measure(cycle.FULL),
    "burst": lambda: cycle.measure(cycle.BURST),
    "native": lambda: native.measure(native.FULL),
    "night": lambda: night.measure(night.FULL),
    "sweep": lambda: apart(night.measure, night.LARGE),
    "touch": lambda: apart(touch.measure, touch.FULL),
    "waiting": lambda: waiting.measure(waiting.FULL),
    "load": lambda: load.measure(load.FULL),
    "scale": lambda: scale.measure(scale.FULL),
    "growth": lambda: apart(growth.measure, growth.FULL),
}
_SMOKE: dict[str, Scenario] = {
    "cycle": lambda: cycle.measure(cycle.SMOKE),
    "native": lambda: apart(native.measure, native.SMOKE),
    "sweep": lambda: apart(night.measure, night.SMOKE),
    "touch": lambda: apart(touch.measure, touch.SMOKE),
    "waiting": lambda: waiting.measure(waiting.SMOKE),
    "load": lambda: load.measure(load.SMOKE),
    "scale": lambda: scale.measure(scale.SMOKE),
    "growth": lambda: apart(growth.measure, growth.SMOKE),
}


async def measure(scenarios: dict[str, Scenario], progress: Console, *, smoke: bool) -> list[Row]:
    """All rows, in the order of the scenarios.

    One runs after the other, so that none disturbs another; in a smoke run, where time is short and bounds are wide,
    all but the first run at once.
    """
    rows: dict[str, list[Row]] = {}

    async def one(name: str) -> None:
        began = time.monotonic()
        rows[name] = await scenarios[name]()
        progress.print(f"measured: {name}, in {time.monotonic() - began:.0f} s", style="dim")

    first, *others = scenarios
    await one(first)
    async with asyncio.TaskGroup() as tasks:
        for name in others:
            if smoke:
                tasks.create_task(one(name))
            else:
                await one(name)
    return [row for name in scenarios for row in rows[name]]


def _wide() -> Console:
    """A terminal as it is; a file or a pipe as wide as the table wants it."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


@click.command()
@click.option("--smoke", is_flag=True, help="Small sizes and a fast clock; ends with 1 if a ratio or count is broken.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the table.")
@click.option("--only", type=click.Choice(list(_FULL)), multiple=True, help="Leave the other scenarios out.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the growth with the volumes into this SVG file.")
def main(*, smoke: bool, as_json: bool, only: tuple[str, ...], plot: Path | None) -> None:
    """Measure lhbackupd beside what it is compared to."""
    known = _SMOKE if smoke else _FULL
    scenarios = {name: scenario for name, scenario in known.items() if not only or name in only}
    try:
        rows = asyncio.run(measure(scenarios, Console(stderr=True), smoke=smoke))
    except* BenchmarkError as group:
        for error in group.exceptions:
            click.echo(str(error), err=True)
        sys.exit(2)
    if plot is not None:
        plot.write_text(growth.plotted(rows))
    failed = any(row.fails(smoke=smoke) for row in rows)
    if as_json:
        click.echo(table.document(rows, machine.facts(), smoke=smoke, failed=failed))
    else:
        table.show(_wide(), rows, machine.facts(), smoke=smoke)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
