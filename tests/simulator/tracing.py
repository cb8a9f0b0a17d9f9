"""Watches a volume as the recorder did, and reduces what was seen to tracks that can be compared.

A track is the order of distinct values of one aspect. The recorder polled, so values that lasted less than a
third of a second are left out on both sides.
"""

import re
from typing import Any

from tests.simulator.driving import Driver
from tests.simulator.shapes import kind_of_message

SHORT = 0.35  #: seconds
Rows = list[tuple[float, dict[str, Any]]]
Track = list[tuple[float, Any]]


async def watch(d: Driver, volume: str, seconds: float, rows: Rows, *, every: float = 0.05) -> None:
    """Look at the volume until `seconds` have passed."""
    end = d.clock.t + seconds
    while d.clock.t < end:
        rows.append((d.clock.t, view(await d.volume(volume))))
        d.pass_time(every)


def view(volume: dict[str, Any]) -> dict[str, Any]:
    """A volume as the traces show it."""
    attachments = {
        name: {**t, "message": [c["message"] for c in t["conditions"] or [] if c["message"]]}
        for name, t in volume["volumeAttachment"]["attachments"].items()
    }
    return {**volume, "attachments": attachments}


def ticket_name(name: str) -> str:
    """A ticket's id without what is random in it."""
    return re.sub(r"^(backup-controller-backup|snapshot-controller|volume-restore-controller|csi)-.+$", r"\1-*", name)


def aspects(v: dict[str, Any]) -> dict[str, Any]:
    """What is compared of one sight."""
    engine = v["controllers"][0] if v["controllers"] else {}
    return {
        "state": v["state"],
        "robustness": v["robustness"],
        "frontend": (v["disableFrontend"], bool(v["lastAttachedBy"])),
        "ready": v["ready"],
        "engine": (bool(engine.get("hostId")), engine.get("running"), bool(engine.get("endpoint"))),
        "replicas": (
            all(r["running"] for r in v["replicas"]),
            tuple(sorted((bool(r["hostId"]), r["mode"], bool(r["failedAt"])) for r in v["replicas"])),
        ),
        "tickets": tuple(
            sorted(
                (ticket_name(name), t["satisfied"], kind_of_message(" ".join(t["message"])))
                for name, t in v["attachments"].items()
            )
        ),
        "backups": tuple(sorted((b["state"] or "new", bool(b["snapshot"])) for b in v["backupStatus"])),
    }


def tracks(rows: Rows) -> dict[str, Track]:
    """Each aspect's distinct values in order, with the times at which they began."""
    found: dict[str, Track] = {}
    for at, seen in rows:
        for name, value in aspects(seen).items():
            track = found.setdefault(name, [])
            if not track or track[-1][1] != value:
                track.append((at, value))
    return found


def unbroken(track: Track, short: float = SHORT) -> Track:
    """The track without short-lived values."""
    kept: Track = []
    for number, (at, value) in enumerate(track):
        lasts = track[number + 1][0] - at if number + 1 < len(track) else short
        if lasts >= short and (not kept or kept[-1][1] != value):
            kept.append((at, value))
    return kept


def comparable(aspect: str, want: Track, got: Track) -> tuple[Track, Track]:
    """Both tracks without what a poll may miss.

    Processes start and stop within the 1 s poll of the instance managers, so of those only the values count
    that both tracks held for a while.
    """
    if aspect not in {"engine", "replicas"}:
        return unbroken(want), unbroken(got)
    common = {value for _, value in unbroken(want)} & {value for _, value in unbroken(got)}
    assert {want[-1][1], got[-1][1]} <= common
    kept = [[(at, v) for at, v in unbroken(track, SHORT / 2) if v in common] for track in (want, got)]
    return kept[0], kept[1]


def order(track: Track) -> list[Any]:
    """Values in order, each once in a row."""
    found: list[Any] = []
    for _, value in track:
        if not found or found[-1] != value:
            found.append(value)
    return found


def recorded_rows(trace: list[dict[str, Any]]) -> Rows:
    """The rows of a recorded trace of one volume."""
    found: Rows = []
    for row in trace:
        for seen in (row.get("volumes") or {}).values():
            if seen:
                found.append((row["t"], seen))
    return found
