"""Makes recorded requests again, with other names, sizes and nodes, and notes what differs."""

import json
import re
from pathlib import Path
from typing import Any

from tests.simulator.driving import Driver
from tests.simulator.shapes import differences

RECORDINGS = Path(__file__).parents[1] / "recordings"
NODES = {"node-1": "node-2", "node-2": "node-3", "node-3": "node-1"}
WORDS = {
    "1073741824": "3221225472",
    "1Gi": "3Gi",
    "backup-client": "other-client",
    "nightly": "evening",
    "somebody-else": "nobody",
}


class Replay(Driver):
    """A driver that knows the recordings."""

    def __init__(self, notes: dict[str, list[str]], **options: Any) -> None:
        super().__init__(**options)
        self.notes = notes
        self.alias: dict[str, str] = {}

    def other(self, text: str) -> str:
        """A recorded text in our words."""
        for recorded, ours in self.alias.items():
            text = text.replace(recorded, ours)
        for recorded, ours in WORDS.items():
            text = text.replace(recorded, ours)
        text = re.sub(r"\bnode-[1-3]\b", lambda m: NODES[m[0]], text)
        text = re.sub(r"\bre(c?)-([a-z]+\d?)\b", r"vol\1-\2-z", text)
        return re.sub(
            r"\bsnap(cr)?-(\w+)\b",
            lambda m: m[0] if m[2].startswith("contr") else f"shot{m[1] or ''}-{m[2]}",
            text,
        )

    async def play(self, name: str, *, folder: str = "exchanges", loose: tuple[str, ...] = (), also: Any = None) -> Any:
        """Make one recorded request; `loose` names values that are a race in Longhorn."""
        recorded = json.loads((RECORDINGS / folder / f"{name}.json").read_text())
        asked, want = recorded["request"], recorded["response"]
        body = asked["body"] if isinstance(asked["body"], str | None) else json.dumps(asked["body"])
        answer = await self.ask(
            asked["method"],
            self.other(asked["path"]),
            self.other(body) if body else None,
            asked.get("headers"),
        )
        found = []
        if answer.status_code != want["status"]:
            found.append(f"status {want['status']} became {answer.status_code}: {answer.text[:300]}")
        if "contentType" in want or folder == "exchanges":
            kind = answer.headers.get("content-type")
            if kind != want.get("contentType"):
                found.append(f"content type {want.get('contentType')} became {kind}")
        got: Any = answer.text
        if not isinstance(want["body"], str):
            try:
                got = answer.json()
            except ValueError:
                found.append(f"no JSON: {answer.text[:100]}")
        if not found:
            found += differences(json.loads(self.other(json.dumps(want["body"]))), got, loose=frozenset(loose))
        if also is not None and not also(got):
            found.append("the answer is not what the scenario needs")
        self.notes[f"{folder}/{name}"] = found
        return got
