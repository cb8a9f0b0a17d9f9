"""Reading the simulator's ledger: who held which volume for how long, and what the limits would have allowed.

A hold lasts from the arrival of an attachment ticket to the `detached` of its volume, as the simulated Longhorn itself
wrote them down; no client's own account of what it did is believed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: routes that the inventory polls whether anything is backed up or not
POLLED = ("/v1/volumes", "/v1/nodes", "/v1/settings", "/v1/backuptargets", "/v1/engineimages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One stretch of time in which a volume was not free; times in seconds on the cluster's clock."""

    volume: str
    #: the node that the ticket asked for
    node: str
    asked: float
    detached: float
    #: how often the volume was attached meanwhile
    cycles: int

    @property
    def seconds(self) -> float:
        return self.detached - self.asked


def holds(entries: Iterable[Mapping[str, Any]], *, prefix: str) -> tuple[Hold, ...]:
    """All holds that a ticket whose id begins with `prefix` began and a detach has ended, in order of their ends."""
    asked: dict[str, Mapping[str, Any]] = {}
    cycles: defaultdict[str, int] = defaultdict(int)
    found: list[Hold] = []
    for entry in entries:
        volume = entry.get("volume", "")
        match entry["kind"]:
            case "ticket-added" if entry["id"].startswith(prefix) and volume not in asked:
                asked[volume], cycles[volume] = entry, 0
            case "attached":
                cycles[volume] += 1
            case "detached" if volume in asked:
                ticket = asked.pop(volume)
                hold = Hold(
                    volume=volume,
                    node=ticket["node"],
                    asked=ticket["t"],
                    detached=entry["t"],
                    cycles=cycles[volume],
                )
                found.append(hold)
            case _:
                pass
    return tuple(found)


def makespan(found: Iterable[Hold]) -> float:
    """Seconds from the first ticket to the last detach."""
    found = tuple(found)
    return max(hold.detached for hold in found) - min(hold.asked for hold in found)


def least_makespan(found: Iterable[Hold], *, per_node: int, cluster: int) -> float:
    """Seconds that no order of these holds can undercut, each on the node where it was, under the two limits.

    A node has its own volumes to see to, `per_node` at a time; all together there are `cluster` at a time; and none is
    quicker than itself.
    """
    found = tuple(found)
    nodes: defaultdict[str, float] = defaultdict(float)
    for hold in found:
        nodes[hold.node] += hold.seconds
    busiest = max(nodes.values()) / per_node
    return max(busiest, sum(nodes.values()) / cluster, *(hold.seconds for hold in found))


def lets_go(entries: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """By volume, seconds from when a pod first asked for it until nothing stood in the pod's way any more.

    That is the last ticket of another kind than the workload's that went before the pod had the volume.
    """
    asked: dict[str, float] = {}
    had: set[str] = set()
    gone: dict[str, float] = {}
    for entry in entries:
        volume = entry.get("volume", "")
        match entry["kind"]:
            case "pod-waiting" if volume not in asked:
                asked[volume] = entry["t"]
            case "ticket-satisfied" if entry["type"] == "csi-attacher" and volume in asked:
                had.add(volume)
            case "ticket-removed" | "ticket-interrupted" if volume in asked and volume not in had:
                gone[volume] = entry["t"] - asked[volume]
            case _:
                pass
    return gone


def requests_of_runs(counted: Mapping[str, int]) -> int:
    """Of requests counted by `METHOD route`, those that runs made: all but the inventory's polls."""
    return sum(number for route, number in counted.items() if not _polled(route))


def _polled(route: str) -> bool:
    method, _, path = route.partition(" ")
    return method == "GET" and (path in POLLED or path.startswith("/v1/settings/"))
