"""Settings and Longhorn's checks of their values.

Values are strings; a boolean is "true" or "false". Some are JSON objects per data engine and also accept a
plain value.
"""

import json
import re
from typing import Any

from lhbackupd.simulator.refusal import Refusal
from lhbackupd.simulator.wire import DEFINITIONS
from lhbackupd.simulator.world import World

#: what Go's ParseBool accepts
BOOLEANS = frozenset({"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"})
INTEGER = re.compile(r"[+-]?[0-9]+")


def put(world: World, name: str, value: str) -> None:
    """Set a setting; raises Refusal with Longhorn's words."""
    if name not in DEFINITIONS:
        raise Refusal(f"setting {name} is not supported")
    try:
        check(name, value)
    except Refusal as refusal:
        where = (
            f"failed to validate setting {name} with invalid value {value}: value {value} of settings {name} is invalid"
        )
        raise Refusal(f"{where}: {refusal.message}") from None
    world.settings[name] = value
    world.ledger.add("setting-changed", name=name, value=value)
    world.changed("settings")
    if name == "detach-manually-attached-volumes-when-cordoned":
        for volume in world.volumes.values():
            if volume.tickets:
                world.touch(volume)


def check(name: str, value: str) -> None:
    """Raises Refusal unless the value fits the definition."""
    definition: dict[str, Any] = DEFINITIONS[name]["definition"]
    if definition["required"] and value == "":
        raise Refusal(f"required setting {name} shouldn't be empty")
    if definition.get("readOnly") or (value == "" and not definition["required"]):
        return
    for engine, part in _parts(definition, value):
        match definition["type"]:
            case "bool" if part not in BOOLEANS:
                raise Refusal(
                    f"failed to parse value {part} for setting {definition['displayName']}: failed to "
                    f"parse single bool "
                    f'value {part}: strconv.ParseBool: parsing "{part}": invalid syntax'
                )
            case "int":
                _check_int(definition, engine, part)
            case _:
                pass
        options = definition.get("options")
        if options and definition["type"] == "string" and part not in options:
            listed = " ".join(str(option) for option in options)
            raise Refusal(f"value {part} is not an acceptable option, acceptable options are [{listed}]")


def _parts(definition: dict[str, Any], value: str) -> list[tuple[str, str]]:
    if definition.get("dataEngineSpecific") and value.startswith("{"):
        try:
            return [(engine, str(part)) for engine, part in json.loads(value).items()]
        except (ValueError, AttributeError):
            raise Refusal(f"failed to parse value {value} for setting {definition['displayName']}") from None
    return [("all", value)]


def _check_int(definition: dict[str, Any], engine: str, part: str) -> None:
    if not INTEGER.fullmatch(part):
        raise Refusal(
            f"failed to parse value {part} for setting {definition['displayName']}: failed to parse "
            f"single int value "
            f'{part}: strconv.ParseInt: parsing "{part}": invalid syntax'
        )
    bounds = definition.get("range", {})
    where = f"value {part} for data engine {engine} should be"
    if "minimum" in bounds and int(part) < bounds["minimum"]:
        raise Refusal(f"{where} larger than or equal to {bounds['minimum']}")
    if "maximum" in bounds and int(part) > bounds["maximum"]:
        raise Refusal(f"{where} less than or equal to {bounds['maximum']}")
    options = definition.get("options")
    if options and int(part) not in options:
        listed = " ".join(str(option) for option in options)
        raise Refusal(f"value {part} is not an acceptable option, acceptable options are [{listed}]")
