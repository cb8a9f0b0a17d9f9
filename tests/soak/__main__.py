"""`python -m tests.soak --hours N --volumes N --seed S [--json]`: a day of work, and what has grown by its end.

In one process and in virtual time. Exit code 1 if memory, files, tasks, journal or metrics have grown by more than they
may, or if a poll over HTTP showed something else than the daemon saw.
"""

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tests.rig import played

from . import gauge
from .play import Size, Soak


async def _played(size: Size, folder: Path) -> Soak:
    soak = Soak(folder, size)
    await soak.play()
    return soak


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--hours", type=int, default=24, help="of simulated time, at least 16")
    parser.add_argument("--volumes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--poll", type=int, default=300, help="seconds between two polls of Longhorn")
    parser.add_argument("--json", action="store_true", help="one JSON document with all samples, instead of words")
    asked = parser.parse_args()
    if asked.hours < 16:
        parser.error("--hours is at least 16: each quarter wants two samples")
    size = Size(hours=asked.hours, volumes=asked.volumes, seed=asked.seed, poll=asked.poll)
    soak = played(partial(_played, size))
    found = list(gauge.verdicts(soak.samples))
    if asked.json:
        facts = {"samples": [asdict(sample) for sample in soak.samples], "verdicts": [asdict(each) for each in found]}
        facts |= {"runs": soak.outcomes, "differing": soak.differing, "seconds": round(soak.took)}
        print(json.dumps(facts, indent=2))
    else:
        for line in gauge.lines(found):
            print(line)
        print(f"volumes that differed in {len(soak.differing)} polls over HTTP: {sum(soak.differing)}")
        print(f"runs: {dict(soak.outcomes)}; {soak.took:.0f} s")
    return int(any(soak.differing) or not all(each.held for each in found))


if __name__ == "__main__":
    sys.exit(main())
