"""The side API under `/sim`: what is not Longhorn's, for tests and rehearsals.

It plays everybody else: pods that write, nodes that die, targets that vanish, other API clients, a hostile
network; and it shows the ledger. Errors are JSON with an `error` that says what is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from lhbackupd.simulator import httpfaults, side_cluster, side_volumes, truth
from lhbackupd.simulator.call import JSON, Answer
from lhbackupd.simulator.gojson import parse
from lhbackupd.simulator.ledger import stamp
from lhbackupd.simulator.refusal import Refusal
from lhbackupd.simulator.timing import Timing
from lhbackupd.simulator.world import World

Handler = Callable[["Ask"], Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request of the side API; `names` are the variable segments of its path."""

    world: World
    faults: httpfaults.Faults
    names: tuple[str, ...]
    query: dict[str, str]
    body: dict[str, Any]


def ledger(ask: Ask) -> Any:
    """Entries after `since`, optionally of one volume or kind."""
    entries = ask.world.ledger.since(int(ask.query.get("since", "0")))
    for key in ("volume", "kind"):
        if key in ask.query:
            entries = [entry for entry in entries if entry.get(key) == ask.query[key]]
    now = stamp(ask.world.now())
    return {
        "entries": entries,
        "now": now,
        "t": round(ask.world.elapsed(), 3),
        "seq": len(ask.world.ledger.entries),
    }


def summary(ask: Ask) -> Any:
    """Totals per volume."""
    return truth.summary(ask.world, [ask.query["volume"]] if "volume" in ask.query else None)


def requests(ask: Ask) -> Any:
    """How often each route of `/v1` was asked."""
    counted = ask.world.ledger.requests
    return {"total": sum(counted.values()), "requests": dict(sorted(counted.items()))}


def requests_reset(ask: Ask) -> Any:
    """Count from zero."""
    ask.world.ledger.requests.clear()
    return requests(ask)


def timing_get(ask: Ask) -> Any:
    """The present timing."""
    return {field.name: getattr(ask.world.timing, field.name) for field in fields(Timing)}


def timing_put(ask: Ask) -> Any:
    """Change some of the timing, from now on."""
    known = {field.name: field.type for field in fields(Timing)}
    for name, value in ask.body.items():
        if name not in known:
            raise Refusal(f"no such timing: {name}; known: {', '.join(known)}", 400)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise Refusal(f"{name} is a number of at least 0", 400)
    ask.world.timing = replace(ask.world.timing, **ask.body)
    ask.world.ledger.add("timing-changed", what=ask.body)
    return timing_get(ask)


def faults_get(ask: Ask) -> Any:
    """What is armed."""
    armed = [*ask.faults.armed, *ask.world.backup_faults]
    return {"faults": [{f.name: getattr(fault, f.name) for f in fields(fault)} for fault in armed]}


def faults_post(ask: Ask) -> Any:
    """Arm a fault."""
    return {"id": httpfaults.arm(ask.world, ask.faults, ask.body)}


def faults_delete(ask: Ask) -> Any:
    """Disarm one or all."""
    wanted = int(ask.names[0]) if ask.names and ask.names[0].isdigit() else None
    return {"cleared": httpfaults.clear(ask.world, ask.faults, wanted)}


def _plain(function: Callable[..., Any]) -> Handler:
    return lambda ask: function(ask.world, *ask.names, ask.body)


#: (method, path pattern) -> handler; `*` stands for one name
ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "ledger"): ledger,
    ("GET", "ledger/summary"): summary,
    ("GET", "requests"): requests,
    ("POST", "requests/reset"): requests_reset,
    ("GET", "timing"): timing_get,
    ("PUT", "timing"): timing_put,
    ("GET", "faults"): faults_get,
    ("POST", "faults"): faults_post,
    ("DELETE", "faults"): faults_delete,
    ("DELETE", "faults/*"): faults_delete,
    ("POST", "volumes"): _plain(side_volumes.bulk),
    ("POST", "volumes/*/write"): _plain(side_volumes.write),
    ("POST", "volumes/*/prefill"): _plain(side_volumes.prefill),
    ("POST", "volumes/*/pvc"): _plain(side_volumes.pvc),
    ("POST", "volumes/*/tickets"): _plain(side_volumes.tickets),
    ("DELETE", "volumes/*/tickets/*"): _plain(side_volumes.remove_ticket),
    ("POST", "volumes/*/engine/kill"): _plain(side_volumes.kill),
    ("POST", "volumes/*/faults"): _plain(side_volumes.faults),
    ("POST", "volumes/*/timing"): _plain(side_volumes.timing),
    ("GET", "volumes/*/chain"): _plain(side_volumes.chain),
    ("GET", "pods"): _plain(side_cluster.pods),
    ("POST", "pods"): _plain(side_cluster.start_pod),
    ("DELETE", "pods/*/*"): _plain(side_cluster.stop_pod),
    ("POST", "nodes/*"): _plain(side_cluster.node),
    ("POST", "targets/*"): _plain(side_cluster.target),
    ("POST", "targets/*/backups"): _plain(side_cluster.foreign_backup),
    ("POST", "events/forget"): _plain(side_cluster.forget_events),
    ("POST", "jobs/*/run"): _plain(side_cluster.run_job),
    ("GET", "jobs"): _plain(side_cluster.job_runs),
    ("POST", "generation"): _plain(side_cluster.generation),
}


def match(method: str, path: str) -> tuple[Handler, tuple[str, ...]]:
    """The handler for a path below `/sim/`, and the names in it."""
    segments = path.removeprefix("/sim").strip("/").split("/")
    for (wanted, pattern), handler in ROUTES.items():
        parts = pattern.split("/")
        if wanted == method and len(parts) == len(segments):
            pairs = list(zip(parts, segments, strict=True))
            if all(part in {"*", segment} for part, segment in pairs):
                return handler, tuple(segment for part, segment in pairs if part == "*")
    raise Refusal(f"the side API has no {method} {path}", 404)


def dispatch(  # noqa: PLR0917 -- plain helper
    world: World, faults: httpfaults.Faults, method: str, path: str, query: dict[str, str], raw: bytes
) -> Answer:
    """Answer a request of the side API."""
    try:
        handler, names = match(method, path)
        body = parse(raw) if raw.strip() else {}
        if not isinstance(body, dict):
            raise Refusal("the body is a JSON object", 400)  # noqa: TRY301 -- told here, worded below
        return Answer(200, handler(Ask(world, faults, names, query, body)), JSON)
    except Refusal as refusal:
        status = 400 if refusal.status == 500 else refusal.status  # noqa: PLR2004
        return Answer(status, {"error": refusal.message}, JSON)
    except (KeyError, TypeError, ValueError) as wrong:
        return Answer(400, {"error": f"cannot do that: {type(wrong).__name__}: {wrong}"}, JSON)
