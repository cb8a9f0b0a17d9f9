"""The two layers of a configuration: a TOML file, and the environment, which wins.

`LHBACKUPD_INSTANCE` and `LHBACKUPD_SECTION__KEY` set single keys; `LHBACKUPD_POLICY`, a JSON list of tables, stands in
place of all `[[policy]]` of the file, `LHBACKUPD_EXCLUDE` of all `[[exclude]]`. An empty variable is not set. A name
with `__` that is no key is a fault; other unknown `LHBACKUPD_…` names are none, because Kubernetes sets such
(`LHBACKUPD_SERVICE_HOST`) for a service called lhbackupd, unless they look like a mistyped key. Reading a layer never
raises: what was wrong is in its faults.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from lhbackupd.config.fault import Fault, dotted
from lhbackupd.config.schema import Settings

_PREFIX = "LHBACKUPD_"
_ENVIRONMENT = "environment"
Location = tuple[str | int, ...]
#: sections of which there are many; all of one kind come in one variable
TABLES = ("policy", "exclude")
#: inline secrets that people try, and the key to use
SECRETS = {"password": "password_file", "token": "token_file", "bearer": "token_file"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Values of one source, and what was wrong with reading it."""

    source: str
    values: dict[str, Any]
    faults: tuple[Fault, ...] = ()

    def has(self, location: Location) -> bool:
        """Whether this layer says something at `location`, or about something inside it."""
        value: Any = self.values
        for part in location:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return False
        return True

    def fault(self, location: Location, *, found: str, allowed: str) -> Fault:
        """A fault of the value at `location`."""
        return Fault(file=self.source, key=self._key(location), found=found, allowed=allowed)

    def origins(self) -> dict[str, str]:
        """Each key that this layer sets, and where: the file, or the variable."""
        if self.source != _ENVIRONMENT:
            return {dotted(location): self.source for location in _leaves(self.values)}
        return {dotted(location): f"{_ENVIRONMENT} {variable(location)}" for location in _leaves(self.values)}

    def _key(self, location: Location) -> str:
        if self.source != _ENVIRONMENT:
            return dotted(location)
        inside = dotted(location[1:]) if location[0] in TABLES else ""
        return variable(location) + inside


def read_file(path: Path | None) -> Layer:
    """The layer of a TOML file; an empty one without a path."""
    if path is None:
        return Layer(source="no file", values={})
    try:
        with path.open("rb") as stream:
            return Layer(source=str(path), values=tomllib.load(stream))
    except IsADirectoryError:
        found, allowed = "a directory", "a TOML file"
    except FileNotFoundError:
        found, allowed = "no such file", "a TOML file; lhbackupd config example prints one to begin with"
    except OSError as error:
        found, allowed = error.strerror or type(error).__name__, "a TOML file that can be read"
    except tomllib.TOMLDecodeError as error:
        found, allowed = f"no TOML, {error}", "https://toml.io"
    except UnicodeDecodeError as error:
        found, allowed = f"bytes that are not UTF-8 at position {error.start}", "a TOML file in UTF-8"
    except (ValueError, RecursionError) as error:
        # an embedded zero in the path, a number of thousands of digits, arrays in arrays in arrays
        found, allowed = f"something unreadable ({type(error).__name__})", "a TOML file"
    return Layer(source=str(path), values={}, faults=(Fault(file=str(path), found=found, allowed=allowed),))


def read_environment(environ: Mapping[str, str]) -> Layer:
    """The layer of the environment."""
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    known = {variable(location): location for location in _single_keys()}
    lists = {variable((name,)): name for name in TABLES}
    for name, text in sorted(environ.items()):
        if not name.startswith(_PREFIX) or not text:
            continue
        if name in lists:
            tables, fault = _read_json(name, text)
            values |= {} if fault else {lists[name]: tables}
            faults += fault
        elif name in known:
            *section, key = known[name]
            (values.setdefault(section[0], {}) if section else values)[key] = text
        else:
            faults += _unknown_variable(name, [*known, *lists])
    return Layer(source=_ENVIRONMENT, values=values, faults=tuple(faults))


def _read_json(name: str, text: str) -> tuple[Any, list[Fault]]:
    try:
        return json.loads(text), []
    except json.JSONDecodeError as error:
        found = f"no JSON, {error.msg} (at line {error.lineno}, column {error.colno})"
    except (ValueError, RecursionError) as error:
        found = f"something unreadable ({type(error).__name__})"
    allowed = f"a JSON list of tables, as [[{name.removeprefix(_PREFIX).lower()}]] in TOML"
    return None, [Fault(file=_ENVIRONMENT, key=name, found=found, allowed=allowed)]


def _unknown_variable(name: str, known: Iterable[str]) -> Iterator[Fault]:
    secret = SECRETS.get(name.lower().rpartition("__")[2]) if "__" in name else None
    near = get_close_matches(name, known, n=1, cutoff=0.9 if "__" not in name else 0.7)
    if secret:
        hint = f"secrets are only named by file: use {_PREFIX}LONGHORN__{secret.upper()}"
    elif near:
        hint = f"did you mean {near[0]}?"
    else:
        hint = f"{_PREFIX}SECTION__KEY; policies are in the file, or as JSON in {_PREFIX}POLICY"
    if "__" in name or near:
        yield Fault(file=_ENVIRONMENT, key=name, found="an unknown variable", allowed=hint)


def _single_keys() -> Iterator[tuple[str, ...]]:
    """All keys that can be set by a variable of their own."""
    for name in Settings.model_fields:
        section = section_at((name,))
        if section is None:
            yield (name,)
        elif name not in TABLES:
            yield from ((name, key) for key in section.model_fields)


def variable(location: Location) -> str:
    """The variable of a key; tables of a kind come in one, a section (of which two keys do not go together) in many."""
    names = location[:1] if location[0] in TABLES else location
    return _PREFIX + "__".join(str(name).upper() for name in names)


def inner_section(section: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The section that `key` of a section holds (one, or a list of them), or None if it holds a single value."""
    annotation = section.model_fields[key].annotation if key in section.model_fields else None
    types = (one for one in (annotation, *get_args(annotation)) if isinstance(one, type))
    return next((one for one in types if issubclass(one, BaseModel)), None)


def section_at(location: Location) -> type[BaseModel] | None:
    """The section that stands at `location`, or None if a single value does."""
    section: type[BaseModel] | None = Settings
    for part in location:
        if isinstance(part, str) and section is not None:
            section = inner_section(section, part)
    return section


def _leaves(value: object, location: Location = ()) -> Iterator[Location]:
    """Where the single values are; a list of values is one of them, a list of tables is not."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*location, key))
    elif isinstance(value, list) and len(location) == 1 and location[0] in TABLES:
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*location, index))
    else:
        yield location
