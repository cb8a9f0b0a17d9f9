"""Compares an answer with a recorded one: keys, JSON types, states, and the kind of message."""

import re
from typing import Any

#: objects whose keys are data
MAPS = frozenset(
    {
        "attachments",
        "children",
        "labels",
        "disks",
        "conditions",
        "nodeDeploymentMap",
        "scheduledReplica",
        "scheduledBackingImage",
    }
)
#: values that are compared, not only their types
EXACT = frozenset(
    {
        "state", "robustness", "ready", "running", "satisfied", "removed", "readyToUse", "markRemoved",
        "available",
        "status", "type", "resourceType", "code", "attachmentType", "mode", "dataLocality", "disableFrontend",
        "createSnapshot", "userCreated", "usercreated", "podStatus", "isGroup", "backupMode", "applied",
        "frontend",
        "notReadyMessage", "restoreInitiated", "restoreRequired", "reason", "accessMode", "pvStatus", "task",
    }
)  # fmt: skip
HEXES = re.compile(r"\b(?:[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{8,})\b")
PLACES = re.compile(r"\d+\.\d+\.\d+\.\d+(?::\d+)?")
NUMBERS = re.compile(r"-?\d+")
NAMES = re.compile(r"\b(?:rec|re|vol)-\w+(?:-z)?(?:-e-0)?\b")
NODES = re.compile(r"\bnode-?\d\b")


def kind_of_message(text: str) -> str:
    """A message without what differs from case to case."""
    text = NAMES.sub("<volume>", NODES.sub("<node>", PLACES.sub("<address>", text)))
    text = re.sub(r"\b(?:snap|shot)(?:cr)?-\w+\b", "<snapshot>", text)
    text = re.sub(r"backup-(?:[0-9a-f]{16}|client|other)\b", "<backup>", text)
    return NUMBERS.sub("<n>", HEXES.sub("<hex>", text))


def differences(want: Any, got: Any, *, loose: frozenset[str] = frozenset(), path: str = "") -> list[str]:
    """What `got` lacks of `want`, in words; `loose` names keys whose values may differ here."""
    leaf = path.rsplit(".", 1)[-1]
    if leaf in loose:
        return []
    if isinstance(want, dict) and isinstance(got, dict):
        return _objects(want, got, loose, path, leaf)
    if isinstance(want, list) and isinstance(got, list):
        return _lists(want, got, loose, path)
    if type(want) is not type(got):
        return [f"{path}: {type(want).__name__} {str(want)[:80]!r} became {type(got).__name__} {str(got)[:80]!r}"]
    if leaf == "message" and kind_of_message(str(want)) != kind_of_message(str(got)):
        return [f"{path}: message {want!r} became {got!r}"]
    if leaf in EXACT and want != got:
        return [f"{path}: {want!r} became {got!r}"]
    return []


def _objects(want: dict[str, Any], got: dict[str, Any], loose: frozenset[str], path: str, leaf: str) -> list[str]:
    if leaf in MAPS:
        if bool(want) != bool(got) and leaf not in {"labels", "scheduledReplica"}:
            return [f"{path}: {list(want)} became {list(got)}"]
        patterns = list(want.values())
        found = []
        for name, item in got.items():
            if patterns:
                tried = [
                    differences(w, item, loose=loose, path=f"{path}.*")
                    for w in ([want[name]] if name in want else patterns)
                ]
                found += [f"{name}: {d}" for d in min(tried, key=len)]
        return found
    if (set(want) ^ set(got)) - loose:
        return [f"{path}: lacks {sorted(set(want) - set(got))}, has also {sorted(set(got) - set(want))}"]
    return [
        d for key in set(want) & set(got) for d in differences(want[key], got[key], loose=loose, path=f"{path}.{key}")
    ]


def _lists(want: list[Any], got: list[Any], loose: frozenset[str], path: str) -> list[str]:
    if bool(want) != bool(got):
        return [f"{path}: {len(want)} items became {len(got)}"]
    found: list[str] = []
    for item in got:
        found += min((differences(w, item, loose=loose, path=f"{path}[]") for w in want), key=len, default=[])
    return found
