"""Faults of a configuration: one line each, for a person with an editor open.

A line says where (file and key, or environment variable), what was found, and what is allowed. What was found is cut,
has no control characters and no secrets: passwords in URLs are masked, and what stands where the path of a secret
belongs is only shown if it looks like a path.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time

from typing_extensions import override

from lhbackupd.config.values import mask

#: keys that hold the path of a secret
SECRET_PATHS = frozenset({"token_file", "password_file", "client_key", "urls_file", "ping_url_file"})
_LONGEST = 80
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong."""

    #: the file, or "environment"
    file: str
    #: such as `policy[1].cron` (counted from 0), or the variable's name; empty if it is about the file itself
    key: str = ""
    found: str
    allowed: str

    @override
    def __str__(self) -> str:
        where = ": ".join(_one_line(part) for part in (self.file, self.key) if part)
        return f"{where}: found {self.found}: {self.allowed}"


class ConfigFault(Exception):  # noqa: N818 -- it carries faults, and is named like them
    """A configuration that cannot be used, with all that is wrong with it at once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)

    @override
    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))


def quote(value: object, *, key: str = "") -> str:
    """What was found under `key`, as it may be shown."""
    match value:
        case str() if key in SECRET_PATHS and not value.startswith("/"):
            return f"a text of {len(value)} characters"
        case str():
            shown = mask(value)
            shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
            return json.dumps(shown, ensure_ascii=not shown.isprintable())
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > _LONGEST:
            return "a very long number"  # Python refuses to print one of thousands of digits
        case int() | float() | date() | time():
            return str(value)
        case dict():
            return "a table"
        case _:
            return "a list" if isinstance(value, list | tuple) else "nothing"


def dotted(location: Iterable[str | int]) -> str:
    """A key as it is named in faults: `policy[1].match.name`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else json.dumps(part))
    return text


def _one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)
