"""`python -m tests.chaos --seconds N --seed S`: a storm of N seconds on the real daemon, and one JSON line at its end.

Exit code 1 if a promise was broken, or the daemon met a defect of its own. `--virtual` plays the same plan in this
process in virtual time, where N seconds of the real storm (fifteen times as many of the cluster's) take a fraction.
`--narrow` lets only a few kinds of things go wrong, other ones with each seed; `--storms` plays so many, a line each.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import looptime

from .judge import judge
from .plan import narrow, plan
from .real import SPEED, real
from .storm import Storm
from .virtual import virtual


async def storm(
    *, seed: int, seconds: float, few: bool, in_process: bool, module: tuple[str, ...], say: bool
) -> dict[str, Any]:
    """Play the plan of a seed for `seconds` of the cluster's time; the line that is printed."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        async with virtual(Path(folder)) if in_process else real(Path(folder), module) as stage:
            played = Storm(stage)
            # a process takes a second to start, a quarter of a minute on the cluster's clock: let it get to work
            mix = narrow(seed) if few else None
            strikes = plan(seed, seconds, mix=mix, gap=6.0 if in_process else 10.0)
            evidence = await played.play(strikes, seconds)
    verdict = judge(evidence)
    if say:
        for text in (*verdict.words(), *stage.defects):
            sys.stderr.write(f"{text}\n")
    runs = Counter(run.outcome.value if run.outcome else "unfinished" for run in evidence.runs)
    return {
        "seed": seed,
        **verdict.counts(),
        "defects": len(stage.defects),
        "runs": dict(sorted(runs.items())),
        "kills": played.counts["kill"],
        "terms": played.counts["term"],
        "backups": sum(entry["kind"] == "backup-completed" for entry in evidence.entries),
        "strikes": dict(sorted(played.counts.items())),
        "broken": verdict.broken or bool(stage.defects),
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seconds", type=float, default=60.0, help="of real time, in which things go wrong")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--storms", type=int, default=1, help="how many to play, with a seed after the other")
    parser.add_argument("--virtual", action="store_true", help="in this process and in virtual time")
    parser.add_argument("--narrow", action="store_true", help="let only a few kinds of things go wrong")
    parser.add_argument("--mutant", default="", help="run the daemon with this bug planted (see tests.mutants)")
    parser.add_argument("--quiet", action="store_true", help="do not say in words what was broken")
    asked = parser.parse_args()
    module = ("tests.mutants.run", asked.mutant) if asked.mutant else ("lhbackupd",)
    seconds = asked.seconds * SPEED
    broken = False
    for seed in range(asked.seed, asked.seed + asked.storms):
        playing = storm(
            seed=seed,
            seconds=seconds,
            few=asked.narrow,
            in_process=asked.virtual,
            module=module,
            say=not asked.quiet,
        )
        with asyncio.Runner(loop_factory=looptime.new_event_loop if asked.virtual else None) as runner:
            line = runner.run(playing)
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        broken = broken or line["broken"]
    return 1 if broken else 0


sys.exit(main())
