"""What goes wrong, and when: made from a seed alone, so that a seed replays.

A plan is a list of strikes in simulated seconds. Where a strike needs something that only exists at run time (a backup
to delete, a snapshot to revert to) it carries a number between 0 and 1, which picks from the sorted list of what is
there then. What was started is ended in the same plan: a node that goes comes back, a pod stops.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: volumes that exist from beginning to end
STEADY = ("v-a", "v-b", "v-c", "v-d")
#: one that is deleted and made again
FLEETING = "v-e"
VOLUMES = (*STEADY, FLEETING)
NODES = ("node-1", "node-2", "node-3")
MIB = 1024 * 1024

#: requests by which a run lives, for faults that hit just these
_ACTIONS = ("attach", "detach", "snapshotCRCreate", "snapshotBackup", "snapshotList", "snapshotCRList", "snapshotCRGet",
            "backupListByVolume", "backupList", "backupDelete", "snapshotCRDelete")  # fmt: skip
_BENT = ("truncate", "not-json", "empty", "wrong-shape", "extra-fields", "half-list")

#: how often each kind of strike comes, relative to the others
MIX: Mapping[str, float] = {
    "http": 16,
    "outage": 1.5,
    "backup-fault": 9,
    "node": 1.5,
    "cordon": 1,
    "engine": 3,
    "target": 1.5,
    "setting": 1.5,
    "pod": 9,
    "write": 9,
    "offline-write": 12,
    "slow-backups": 3,
    "maintenance": 2,
    "delete-snapshot": 2,
    "delete-backup": 2,
    "foreign-ticket": 2,
    "twin-ticket": 1,
    "take-our-ticket": 2,
    "recreate": 1.5,
    "kill": 5,
    "term": 2,
}


def narrow(seed: int) -> Mapping[str, float]:
    """Weights of a storm of few kinds, picked by its seed: in a mixed one any two of them meet only rarely."""
    rng = random.Random(f"narrow {seed}")
    picked = rng.sample(sorted(MIX), rng.randint(3, 6))
    return dict.fromkeys(MIX, 0.0) | {kind: rng.choice((5, 20, 40)) for kind in picked} | {"offline-write": 10}


@dataclass(frozen=True, slots=True)
class Strike:
    """Something that happens `at` so many simulated seconds after the beginning."""

    at: float
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def plan(seed: int, seconds: float, *, mix: Mapping[str, float] | None = None, gap: float = 6.0) -> list[Strike]:
    """The strikes of `seconds` simulated seconds, on average `gap` seconds apart; `mix` replaces weights of `MIX`.

    Everything that lasts ends before `seconds` are over.
    """
    rng = random.Random(seed)
    weights = {**MIX, **(mix or {})}
    found: list[Strike] = []
    at = rng.expovariate(1 / gap)
    while at < seconds:
        kind = rng.choices(list(weights), list(weights.values()))[0]
        found += _MAKERS[kind](rng, at, seconds)
        at += rng.expovariate(1 / gap)
    return sorted(found, key=lambda strike: strike.at)


def _until(rng: random.Random, at: float, end: float, shortest: float, longest: float) -> float:
    return min(end, at + rng.uniform(shortest, longest))


def _http(rng: random.Random, at: float, _end: float) -> list[Strike]:
    kind = rng.choice(("status", "status", "reset", "reset", "delay", "delay", *_BENT))
    match: dict[str, str] = {}
    match |= rng.choice(
        ({}, {"path": "/v1/volumes*"}, {"path": "/v1/backupvolumes*"}, *({"action": a} for a in _ACTIONS))
    )
    if rng.random() < 0.2:
        match["volume"] = rng.choice(VOLUMES)
    body = {"kind": kind, "match": match, "times": rng.randint(1, 5)}
    if kind in {"status", "reset"}:
        body["act"] = rng.choice(("never", "before", "after"))
    if kind == "status":
        body["status"] = rng.choice((400, 404, 409, 429, 500, 502, 503))
    if kind == "delay":
        body |= {"seconds": round(rng.uniform(1, 50), 2), "act": rng.choice(("before", "after"))}
    return [Strike(at, "fault", {"body": body})]


def _outage(rng: random.Random, at: float, _end: float) -> list[Strike]:
    body = {"kind": "down", "match": {}, "times": rng.randint(10, 60) // 3, "act": "never"}
    return [Strike(at, "fault", {"body": body})]


def _backup_fault(rng: random.Random, at: float, _end: float) -> list[Strike]:
    kinds = ("error-at-start", "error-at", "unknown", "vanish", "stuck-at", "progress-falls")
    body = {
        "kind": "backup-" + rng.choice(kinds),
        "percent": rng.choice((0, 15, 50, 90, 100)),
        "match": rng.choice(({}, {"volume": rng.choice(VOLUMES)})),
    }
    return [Strike(at, "fault", {"body": body})]


def _node(rng: random.Random, at: float, end: float) -> list[Strike]:
    name = rng.choice(NODES)
    gone, back = rng.choice((({"power": "off"}, {"power": "on"}), ({"ready": False}, {"ready": True})))
    back_at = _until(rng, at, end, 10, 90)
    return [Strike(at, "node", {"name": name, "body": gone}), Strike(back_at, "node", {"name": name, "body": back})]


def _cordon(rng: random.Random, at: float, end: float) -> list[Strike]:
    name, back_at = rng.choice(NODES), _until(rng, at, end, 10, 120)
    return [Strike(moment, "node", {"name": name, "body": {"cordoned": cordoned}})
            for moment, cordoned in ((at, True), (back_at, False))]  # fmt: skip


def _target(rng: random.Random, at: float, end: float) -> list[Strike]:
    back_at = _until(rng, at, end, 10, 90)
    return [Strike(at, "target", {"available": False}), Strike(back_at, "target", {"available": True})]


def _setting(rng: random.Random, at: float, end: float) -> list[Strike]:
    back_at = _until(rng, at, end, 5, 90)
    return [Strike(at, "setting", {"value": "false"}), Strike(back_at, "setting", {"value": "true"})]


def _pod(rng: random.Random, at: float, end: float) -> list[Strike]:
    name, stop = f"pod-{rng.getrandbits(32):08x}", _until(rng, at, end, 15, 150)
    body = {
        "name": name,
        "namespace": "shop",
        "volume": rng.choice(VOLUMES),
        "node": rng.choice(NODES),
        "write_bytes": rng.choice((4096, 65536)),
        "write_every": rng.choice((0.0, round(rng.uniform(3, 40), 2))),
        "write_offset": 4096 * rng.randrange(4096),
    }
    return [Strike(at, "pod", {"body": body}), Strike(stop, "pod-stop", {"name": name})]


def _write(rng: random.Random, at: float, _end: float) -> list[Strike]:
    return [Strike(at, "write", _written(rng))]


def _offline_write(rng: random.Random, at: float, _end: float) -> list[Strike]:
    facts = _written(rng)
    return [Strike(at, "write", {**facts, "body": {**facts["body"], "offline": True}})]


def _written(rng: random.Random) -> dict[str, Any]:
    body = {"bytes": 4096 * rng.randint(1, 512), "offset": 4096 * rng.randrange(8192), "by": "somebody"}
    return {"volume": rng.choice(VOLUMES), "body": body}


def _slow_backups(rng: random.Random, at: float, _end: float) -> list[Strike]:
    seconds = rng.choice((None, round(rng.uniform(2, 60), 2)))
    return [Strike(at, "slow-backups", {"volume": rng.choice(VOLUMES), "seconds": seconds})]


def _ticket(rng: random.Random, at: float, end: float) -> list[Strike]:
    name = rng.choice(("lhbackupd:elsewhere:0badcafe:68000000aaaaaa:20260302T000000Z", f"by-hand-{rng.randrange(99)}"))
    back_at, volume = _until(rng, at, end, 5, 60), rng.choice(STEADY)
    facts = {"volume": volume, "id": name, "node": rng.choice(NODES)}
    return [Strike(at, "ticket", facts), Strike(back_at, "ticket-removed", facts)]


def _twin(rng: random.Random, at: float, _end: float) -> list[Strike]:
    facts = {"volume": rng.choice(STEADY), "node": rng.choice(NODES), "lasts": round(rng.uniform(15, 60))}
    return [Strike(at, "twin-ticket", facts)]


def _picks(kind: str) -> "Callable[[random.Random, float, float], list[Strike]]":
    """A strike on one volume that picks something there."""
    return lambda rng, at, _end: [Strike(at, kind, {"volume": rng.choice(STEADY), "pick": rng.random()})]


def _recreate(rng: random.Random, at: float, end: float) -> list[Strike]:
    back_at = _until(rng, at, end, 8, 60)
    return [Strike(at, "delete-volume"), Strike(back_at, "create-volume", {"bytes": 4096 * rng.randint(0, 256)})]


def _end_of_daemon(kind: str) -> "Callable[[random.Random, float, float], list[Strike]]":
    return lambda rng, at, _end: [Strike(at, kind, {"pause": round(rng.expovariate(1 / 15), 2)})]


_MAKERS: Mapping[str, Callable[[random.Random, float, float], list[Strike]]] = {
    "http": _http,
    "outage": _outage,
    "backup-fault": _backup_fault,
    "node": _node,
    "cordon": _cordon,
    "engine": _picks("engine"),
    "target": _target,
    "setting": _setting,
    "pod": _pod,
    "write": _write,
    "offline-write": _offline_write,
    "slow-backups": _slow_backups,
    "maintenance": _picks("maintenance"),
    "delete-snapshot": _picks("delete-snapshot"),
    "delete-backup": _picks("delete-backup"),
    "foreign-ticket": _ticket,
    "twin-ticket": _twin,
    "take-our-ticket": _picks("take-our-ticket"),
    "recreate": _recreate,
    "kill": _end_of_daemon("kill"),
    "term": _end_of_daemon("term"),
}
