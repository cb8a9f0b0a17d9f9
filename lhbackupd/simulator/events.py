"""Kubernetes events of Longhorn's namespace, with the losses that Kubernetes clients have.

Each manager writes the events of what it owns, and does with them what client-go's `EventCorrelator` does, in its
order: events of one object that differ by their words alone are combined from the tenth within ten minutes on; equal
ones are one object with a count; and each object may be written of 25 times at once, then once in five minutes. The
rest is dropped for ever, though counted: the next one that gets through has them in its count. Kubernetes forgets an
event an hour after it was last written. The manager does not: the next one of its kind comes back under the old name,
with the old first time, and its count goes on.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lhbackupd.simulator.timing import Timing

#: what makes an event: manager, component, kind, subject, its uid, reason, message, type
Key = tuple[str, ...]

#: events with so many different words within so many seconds are combined (client-go, `defaultAggregate…`)
SIMILAR, WITHIN = 10, 600.0


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
class Logged:
    """What a manager remembers of an event that it has seen, written or not."""

    name: str
    first: datetime
    count: int = 0


@dataclass(slots=True)
class Recorder:
    """Everything that `/v1/events` shows."""

    rng: random.Random
    events: dict[Key, Event] = field(default_factory=dict)
    dropped: int = 0
    version: int = 1000
    _tokens: dict[Key, tuple[float, datetime]] = field(default_factory=dict)
    _similar: dict[Key, tuple[set[str], datetime]] = field(default_factory=dict)
    _logged: dict[Key, Logged] = field(default_factory=dict)
    _uids: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(
        self,
        at: datetime,
        timing: Timing,
        *,
        manager: str,
        component: str,
        kind: str,
        subject: str,
        reason: str,
        message: str,
        warning: bool = False,
    ) -> None:
        """Write an event down, unless its manager has used up what it may write of the object."""
        uid = self._uids.setdefault((kind, subject), uuid(self.rng))
        if reason == "Delete":  # what is made under this name later is another object
            del self._uids[kind, subject]
        source, type_ = (manager, component, kind, subject, uid), "Warning" if warning else "Normal"
        key, message = self._combined((*source, reason, type_), message, at)
        name = f"{subject}.{self.rng.getrandbits(64):016x}"
        logged = self._logged.setdefault(key, Logged(name, at))
        logged.count += 1
        if not self._allowed(source, at, timing):
            self.dropped += 1
            return
        self.version += 1
        event = self.events.get(key)
        if event is None or at - event.last > timedelta(seconds=timing.event_ttl):
            event = self.events[key] = Event(
                logged.name, uuid(self.rng), uid, self.version, self.version - 1, component, kind, subject, reason,
                message, type_, logged.first, at,
            )  # fmt: skip
        event.count, event.last, event.message, event.version = logged.count, at, message, self.version

    def _combined(self, group: Key, message: str, at: datetime) -> tuple[Key, str]:
        """By what the event is known, and its words: those of many that differ by nothing else are one."""
        words, last = self._similar.get(group, (set(), at))
        if at - last > timedelta(seconds=WITHIN):
            words = set()
        words.add(message)
        self._similar[group] = words, at
        if len(words) < SIMILAR:
            return (*group, message), message
        words.discard(min(words - {message}))
        return group, f"(combined from similar events): {message}"

    def kept(self, at: datetime, timing: Timing) -> list[Event]:
        """Events not yet forgotten."""
        limit = at - timedelta(seconds=timing.event_ttl)
        for key in [key for key, event in self.events.items() if event.last < limit]:
            del self.events[key]
        return sorted(self.events.values(), key=lambda event: event.name)

    def _allowed(self, source: Key, at: datetime, timing: Timing) -> bool:
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
