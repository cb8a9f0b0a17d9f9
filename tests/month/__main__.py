"""`python -m tests.month --days N --volumes N --seed S [--json]`: claims of exposure, held against the truth.

In one process and in virtual time: the real daemon, the simulated Longhorn, pods, clients that attach for four seconds,
outages and restarts. Exit code 1 if a claim was later than the truth, earlier than its sign, or a false green.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from tests.rig import played

from .play import Month, Size, lines


async def _played(size: Size, folder: Path) -> Month:
    month = Month(folder, size)
    await month.play()
    return month


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.month")
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--volumes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--poll", type=int, default=300, help="seconds between two polls of Longhorn")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of words")
    asked = parser.parse_args()
    size = Size(days=asked.days, volumes=asked.volumes, seed=asked.seed, poll=asked.poll)
    month = played(partial(_played, size))
    if asked.json:
        sys.stdout.write(json.dumps(month.facts()) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in lines(month)))
    return int(month.judge.broken)


if __name__ == "__main__":
    sys.exit(main())
