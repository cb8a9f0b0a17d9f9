"""Which volumes have come to rest after somebody used them, and since when: what `on_detach` goes by.

What polls show of a volume is one of three things. It is *in use*: a workload, or a person through Longhorn's API, has
it attached with its frontend enabled, so that there may be new data. It is *at rest*: detached, and nobody has asked
for it. Or neither, as while it is being attached, or while we or Longhorn's backup and snapshot controllers hold it:
that says nothing. Rest counts from the first poll that shows it after use; use ends it.

A pod may come and go between two polls. Kubernetes leaves a trace of that (`lastPodRefAt`), which polls compare.
"""

from dataclasses import dataclass
from datetime import datetime

from .cluster import Ticket, Volume
from .model import Policy
from .naming import PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """That a volume was used since a run was last queued on that account; no value says that it was not."""

    #: since when it is at rest; None while it is in use
    rests_since: datetime | None = None


def in_use(volume: Volume) -> bool:
    """Whether somebody who may write has `volume`."""
    return volume.attached and not volume.frontend_disabled and any(map(_may_write, volume.tickets))


def _may_write(ticket: Ticket) -> bool:
    """Whether this ticket's holder has the device: not we, and none of Longhorn's own controllers, by their kinds."""
    somebody = ticket.of_workload or not ticket.kind.endswith("-controller")
    return somebody and ticket.satisfied and not ticket.frontend_disabled and not ticket.id.startswith(f"{PREFIX}:")


def watched(use: Use | None, before: Volume | None, volume: Volume, at: datetime) -> Use | None:
    """What is known of the use of `volume` after a poll at `at` showed it, and showed `before` the last time."""
    if in_use(volume):
        return Use()
    if not volume.plainly_detached:
        return use
    visited = before is not None and volume.last_pod_at not in {None, before.last_pod_at}
    if visited or (use is not None and use.rests_since is None):
        return Use(rests_since=at)
    if use is not None and use.rests_since is not None and use.rests_since > at:
        return Use(rests_since=at)  # the clock was set back: lest it rest for an hour, or a year, longer
    return use


def due_on_detach(use: Use, policy: Policy | None) -> datetime | None:
    """When a run of `policy` is due on account of that use; None while it lasts, and where the policy does not ask."""
    if use.rests_since is None or policy is None or policy.on_detach is None:
        return None
    return use.rests_since + policy.on_detach
