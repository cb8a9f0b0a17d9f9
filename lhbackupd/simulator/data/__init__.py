"""Constants from recordings: the schemas (003), the settings (010), a volume's constant fields (044)."""

import json
from importlib.resources import files
from typing import Any


def _load(name: str) -> Any:
    return json.loads(files(__name__).joinpath(name).read_text(encoding="utf-8"))


VOLUME: dict[str, Any] = _load("volume.json")
SETTINGS: list[dict[str, Any]] = _load("settings.json")
SCHEMAS: dict[str, Any] = _load("schemas.json")
