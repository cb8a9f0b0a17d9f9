"""A whole night: many volumes due at once on a cluster whose limits make most of them wait.

Each volume has one replica, so its node is not ours to choose, and with one place per node nothing can be quicker than
the busiest node's volumes one after the other. What is measured above that bound is what lhbackupd adds between two
volumes: closing a run, letting the next one in, and starting it. Volumes differ in how long their backups take.

Beside it Longhorn's own job works on the same volumes afterwards, as many at a time as there are nodes. It knows no
limit per node, so it may be quicker where nodes are unevenly loaded, and takes 5 s looks and two attaches to each.
"""

from dataclasses import dataclass

from benchmarks import native
from benchmarks.account import holds, least_makespan, makespan
from benchmarks.row import VIRTUAL, Kind, Row
from benchmarks.theatre import stage

#: how much of the bound may be used
RATIO = 1.10
_PER_NODE = 1
#: seconds that backups take, in turn; the same sum on every node only by chance
_BACKUPS = (2.0, 4.0, 9.0, 2.0, 6.0, 3.0, 14.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    volumes: int
    nodes: int
    speed: float = 1.0

    @property
    def patience(self) -> float:
        """Seconds, more than enough for all volumes of a node one after the other."""
        return 60.0 * self.volumes / self.nodes + 3000.0


FULL = Size(volumes=100, nodes=10)
#: no other than the one above, but ten times as long
LARGE = Size(volumes=1000, nodes=10, speed=VIRTUAL)
SMOKE = Size(volumes=100, nodes=10, speed=VIRTUAL)


async def measure(size: Size) -> list[Row]:
    """Row 5: the makespan by the least that limits, placement and measured holds allow."""
    async with stage(nodes=size.nodes, speed=size.speed) as made:
        volumes = await made.volumes("pvc-", size.volumes)
        for number, volume in enumerate(volumes):
            seconds = _BACKUPS[number % len(_BACKUPS)]
            await made.call("POST", f"/sim/volumes/{volume}/timing", {"backup": seconds})
        policies = {"due": "pvc-*"}
        since = len(await made.ledger.read())
        async with made.daemon(made.configure(policies, cluster=size.nodes, per_node=_PER_NODE)):
            made.configure(policies, cluster=size.nodes, per_node=_PER_NODE, cron=made.soon())
            made.reload()
            await made.wait(size.volumes, "detached", "pvc-", since=since, seconds=size.patience)
        found = holds(await made.ledger.read(), prefix="lhbackupd:")
        job = await native.run(made, volumes, at_once=size.nodes, seconds=size.patience)
    least = least_makespan(found, per_node=_PER_NODE, cluster=size.nodes)
    took = makespan(found)
    return [
        Row(
            name=f"makespan-{size.volumes}",
            what=f"{size.volumes} due volumes on {size.nodes} nodes, one per node",
            unit="s",
            value=round(took, 2),
            than="the busiest node's holds, one after the other",
            beside=round(least, 2),
            native=round(job.seconds, 2),
            bound=round(least * RATIO, 2),
            kind=Kind.RATIO,
            speed=size.speed,
            count=len(found),
            note=f"ratio {took / least:.3f}; holds of {min(h.seconds for h in found):.1f} to "
            f"{max(h.seconds for h in found):.1f} s",
        ),
    ]
