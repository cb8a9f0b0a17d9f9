"""Reads request bodies the way Longhorn's Go code does: strict about types, deaf to unknown fields.

A wrong type or broken JSON is a 500 whose message is the one of Go's decoder; clients have been seen to match
on it.
"""

import json
from dataclasses import dataclass
from typing import Any

from lhbackupd.simulator.refusal import Refusal

#: Go type names and the JSON kinds that fit them
FITS: dict[str, tuple[str, ...]] = {
    "string": ("string",),
    "bool": ("bool",),
    "int": ("number",),
    "int64": ("number",),
    "map[string]string": ("object",),
    "[]string": ("array",),
}
ZERO: dict[str, Any] = {
    "string": "",
    "bool": False,
    "int": 0,
    "int64": 0,
    "map[string]string": None,
    "[]string": None,
}


@dataclass(frozen=True, slots=True)
class Struct:
    """A Go struct: its name and the type of each JSON field."""

    name: str
    fields: dict[str, str]


def kind_of(value: Any) -> str:
    """The JSON kind, in Go's words."""
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return "number"
        case dict():
            return "object"
        case list():
            return "array"
        case _:
            return "null"


def read(raw: bytes, struct: Struct) -> dict[str, Any]:
    """Decode a body; missing fields get Go's zero values. An empty body is an empty object."""
    if not raw.strip():
        return {name: ZERO[kind] for name, kind in struct.fields.items()}
    value = parse(raw)
    if kind_of(value) not in {"object", "null"}:
        raise Refusal(f"json: cannot unmarshal {kind_of(value)} into Go value of type api.{struct.name}")
    given = {str(key).lower(): item for key, item in (value or {}).items()}
    return {name: _field(struct, name, kind, given.get(name.lower())) for name, kind in struct.fields.items()}


def _field(struct: Struct, name: str, kind: str, value: Any) -> Any:
    if value is None:
        return ZERO[kind]
    found = kind_of(value)
    if found not in FITS[kind]:
        raise Refusal(f"json: cannot unmarshal {found} into Go struct field {struct.name}.{name} of type {kind}")
    if kind in {"int", "int64"} and not isinstance(value, int):
        raise Refusal(f"json: cannot unmarshal number {value} into Go struct field {struct.name}.{name} of type {kind}")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        if not isinstance(item, str):
            where = f"Go struct field {struct.name}.{name} of type string"
            raise Refusal(f"json: cannot unmarshal {kind_of(item)} into {where}")
    return value


def parse(raw: bytes) -> Any:
    """Parse JSON; errors in Go's words for the common cases."""
    try:
        return json.loads(raw)
    except UnicodeDecodeError:
        raise Refusal("invalid character '\\x00' looking for beginning of value") from None
    except json.JSONDecodeError as broken:
        raise Refusal(_words(broken)) from None


def _words(broken: json.JSONDecodeError) -> str:
    text, at = broken.doc, broken.pos
    if at >= len(text.rstrip()) or broken.msg.startswith("Unterminated"):
        return "unexpected EOF"
    found = text[at]
    match broken.msg:
        case "Expecting property name enclosed in double quotes":
            where = "looking for beginning of object key string"
        case "Expecting ':' delimiter":
            where = "after object key"
        case "Expecting ',' delimiter":
            where = "after object key:value pair"
        case "Extra data":
            where = "after top-level value"
        case _:
            where = "looking for beginning of value"
    return f"invalid character '{found}' {where}"
