"""Kubernetes events of Longhorn's namespace, with the losses that Kubernetes clients have.

Equal events are one object with a count. Each object's source may write 25 at once and then one per five
minutes; the rest is dropped for ever. An event is forgotten one hour after it last happened.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lhbackupd.simulator.timing import Timing

Key = tuple[str, str, str, str, str, str]


@dataclass(slots=True)
class Event:
    """One event object."""

    name: str
    uid: str
    object_uid: str
    version: int
    object_version: int
    component: str
    kind: str
    subject: str
    reason: str
    message: str
    type: str
    first: datetime
    last: datetime
    count: int = 1


@dataclass(slots=True)
class Recorder:
    """Everything that `/v1/events` shows."""

    rng: random.Random
    events: dict[Key, Event] = field(default_factory=dict)
    dropped: int = 0
    version: int = 1000
    _tokens: dict[tuple[str, str, str], tuple[float, datetime]] = field(default_factory=dict)
    _uids: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(
        self,
        at: datetime,
        timing: Timing,
        *,
        component: str,
        kind: str,
        subject: str,
        reason: str,
        message: str,
        warning: bool = False,
    ) -> None:
        """Write an event down, unless the object's source has used up its allowance."""
        if not self._allowed((component, kind, subject), at, timing):
            self.dropped += 1
            return
        self.version += 1
        key = (component, kind, subject, reason, message, "Warning" if warning else "Normal")
        known = self.events.get(key)
        if known and at - known.last <= timedelta(seconds=timing.event_ttl):
            known.count += 1
            known.last, known.version = at, self.version
            return
        object_uid = self._uids.setdefault((kind, subject), uuid(self.rng))
        name = f"{subject}.{self.rng.getrandbits(64):016x}"
        self.events[key] = Event(
            name, uuid(self.rng), object_uid, self.version, self.version - 1, component, kind, subject,
            reason,
            message, key[5], at, at,
        )  # fmt: skip

    def kept(self, at: datetime, timing: Timing) -> list[Event]:
        """Events not yet forgotten."""
        limit = at - timedelta(seconds=timing.event_ttl)
        for key in [key for key, event in self.events.items() if event.last < limit]:
            del self.events[key]
        return sorted(self.events.values(), key=lambda event: event.name)

    def _allowed(self, source: tuple[str, str, str], at: datetime, timing: Timing) -> bool:
        tokens, since = self._tokens.get(source, (float(timing.event_burst), at))
        tokens = min(float(timing.event_burst), tokens + (at - since).total_seconds() / timing.event_refill)
        allowed = tokens >= 1
        self._tokens[source] = (tokens - 1 if allowed else tokens, at)
        return allowed


def uuid(rng: random.Random) -> str:
    """A random UUID (version 4) from the cluster's own source."""
    bits = f"{rng.getrandbits(128):032x}"
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"


def facts(event: Event) -> dict[str, Any]:
    """The Kubernetes object as Longhorn passes it on."""
    first, last = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (event.first, event.last))
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "count": event.count,
        "eventTime": None,
        "firstTimestamp": first,
        "involvedObject": {
            "apiVersion": "longhorn.io/v1beta2",
            "kind": event.kind,
            "name": event.subject,
            "namespace": "longhorn-system",
            "resourceVersion": str(event.object_version),
            "uid": event.object_uid,
        },
        "kind": "Event",
        "lastTimestamp": last,
        "metadata": {
            "creationTimestamp": first,
            "generation": 1,
            "name": event.name,
            "namespace": "longhorn-system",
            "resourceVersion": str(event.version),
            "uid": event.uid,
        },
        "reason": event.reason,
        "reportingComponent": event.component,
        "reportingInstance": "",
        "source": {"component": event.component},
        "type": event.type,
    }
    if event.message:
        body["message"] = event.message
    return body
