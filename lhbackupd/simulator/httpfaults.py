"""What networks and proxies do to a request before, after or instead of Longhorn's answer.

A fault has a kind,
a match and a number of times. The first one that matches strikes. Whether Longhorn acts on a request
that failed is part of the fault (`act`), because to a client both look alike.
"""

import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from lhbackupd.simulator.backupfaults import KINDS as BACKUP_KINDS
from lhbackupd.simulator.backupfaults import BackupFault
from lhbackupd.simulator.refusal import Refusal
from lhbackupd.simulator.world import World

KINDS = frozenset(
    {
        "status",
        "delay",
        "reset",
        "truncate",
        "not-json",
        "wrong-shape",
        "extra-fields",
        "half-list",
        "down",
        "empty",
    }
)
ACTS = frozenset({"before", "after", "never"})


def volume_of(path: str) -> str:
    """The volume that a request is about; "" for none."""
    return path.split("/")[3] if path.startswith(("/v1/volumes/", "/v1/backupvolumes/")) else ""


@dataclass(slots=True)
class HttpFault:
    """An armed fault; patterns are shell-like, an empty one matches everything."""

    id: int
    kind: str
    method: str = ""
    path: str = ""
    action: str = ""
    volume: str = ""
    times: int | None = None
    after: int = 0
    act: str = "never"
    status: int = 500
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    seconds: float = 0.0
    struck: int = 0

    def fits(self, method: str, path: str, action: str) -> bool:
        """Whether the fault concerns a request."""
        name = volume_of(path)
        return (
            (not self.method or self.method == method)
            and (not self.path or fnmatchcase(path, self.path))
            and (not self.action or fnmatchcase(action, self.action))
            and (not self.volume or fnmatchcase(name, self.volume))
        )


@dataclass(slots=True)
class Faults:
    """All armed HTTP faults."""

    armed: list[HttpFault] = field(default_factory=list)
    count: int = 0

    def strike(self, method: str, path: str, action: str) -> list[HttpFault]:
        """The faults that strike a request: delays, and at most one other."""
        found: list[HttpFault] = []
        for fault in list(self.armed):
            if not fault.fits(method, path, action):
                continue
            if any(f.kind != "delay" for f in found) and fault.kind != "delay":
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.struck += 1
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.armed.remove(fault)
            found.append(fault)
        return found


def arm(world: World, faults: Faults, body: dict[str, Any]) -> int:
    """Arm a fault described by JSON; returns its id."""
    kind = str(body.get("kind", ""))
    match = body.get("match") or {}
    faults.count += 1
    if kind in BACKUP_KINDS:
        world.backup_faults.append(
            BackupFault(
                faults.count, kind, str(match.get("volume", "")), body.get("times", 1),
                int(body.get("after", 0)),
                int(body.get("percent", 50)), str(body.get("message", "")),
            )
        )  # fmt: skip
    elif kind in KINDS:
        act = str(body.get("act", "after" if kind in {"truncate", "not-json", "wrong-shape"} else "never"))
        if act not in ACTS:
            raise Refusal(f"act is one of {', '.join(sorted(ACTS))}, not {act}", 400)
        raw = body.get("body", "")
        faults.armed.append(
            HttpFault(
                faults.count, kind, str(match.get("method", "")), str(match.get("path", "")),
                str(match.get("action", "")), str(match.get("volume", "")), body.get("times"),
                int(body.get("after", 0)), act, int(body.get("status", 500)),
                raw if isinstance(raw, str) else json.dumps(raw),
                str(body.get("contentType", "text/plain; charset=utf-8")), float(body.get("seconds", 0.0)),
            )
        )  # fmt: skip
    else:
        faults.count -= 1
        raise Refusal(f"unknown fault {kind!r}; known: {', '.join(sorted(KINDS | BACKUP_KINDS))}", 400)
    world.ledger.add("fault-set", fault=faults.count, what=kind)
    return faults.count


def clear(world: World, faults: Faults, fault_id: int | None) -> int:
    """Disarm one fault or all; returns how many."""
    before = len(faults.armed) + len(world.backup_faults)
    faults.armed = [f for f in faults.armed if fault_id is not None and f.id != fault_id]
    world.backup_faults = [f for f in world.backup_faults if fault_id is not None and f.id != fault_id]
    gone = before - len(faults.armed) - len(world.backup_faults)
    world.ledger.add("fault-cleared", fault=fault_id, count=gone)
    return gone


def bend(fault: HttpFault, body: bytes) -> bytes:
    """What is left of an answer's body."""
    match fault.kind:
        case "truncate":
            return body[: len(body) // 2]
        case "not-json":
            return b"<html><body><h1>It works!</h1></body></html>"
        case "empty":
            return b""
        case "wrong-shape":
            return _wrong(body)
        case "extra-fields" | "half-list":
            return _changed(fault.kind, body)
        case _:
            return body


def _wrong(body: bytes) -> bytes:
    try:
        value = json.loads(body)
    except ValueError:
        return b"[]"
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        return json.dumps({**value, "data": {"state": 1}}).encode()
    if isinstance(value, dict):
        swapped = {key: {} if isinstance(item, str) else "wrong" for key, item in value.items()}
        return json.dumps(swapped).encode()
    return b"[]"


def _changed(kind: str, body: bytes) -> bytes:
    try:
        value = json.loads(body)
    except ValueError:
        return body
    if not isinstance(value, dict):
        return body
    data = value.get("data")
    if kind == "half-list" and isinstance(data, list):
        value["data"] = data[::2]
    if kind == "extra-fields":
        for item in [value, *(data if isinstance(data, list) else [])]:
            item["fromTheFuture"] = {"answer": 42, "list": [None, True]}
    return json.dumps(value).encode()
