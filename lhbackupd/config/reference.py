"""The reference of all keys, as Markdown: what `docs/configuration.md` is.

It is made from the schema, as the example is: meaning and unit are a key's description, the default is what an empty
configuration has, and what is allowed are the words in which a wrong value is refused. So a new key is in it by itself.
"""

import textwrap
import warnings
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from lhbackupd.config.fault import SECRET_PATHS
from lhbackupd.config.layer import TABLES, inner_section, section_at, variable
from lhbackupd.config.printing import toml
from lhbackupd.config.schema import RELOADED, Settings

_HEADER = """\
# Configuration

All keys, made from the schema by `lhbackupd config reference`; the same as a file to begin with is
[config.example.toml](../config.example.toml), which `lhbackupd config example` prints.

- The file is TOML, `/etc/lhbackupd/config.toml` unless `--config` names another. `lhbackupd config check` says what is
  wrong with it, one line per fault, and `lhbackupd config show` what is in force and where each value comes from.
- Each key of a `[section]` can be set by an environment variable, which wins over the file. `LHBACKUPD_POLICY`, a JSON
  list of tables, stands in place of all `[[policy]]`, and `LHBACKUPD_EXCLUDE` of all `[[exclude]]`.
- Durations are written `"15s"`, `"5m"`, `"2h"`, `"1d"` or `"1h30m"`, sizes `"0"`, `"4KiB"` (1024) or `"10MB"` (1000).
- A reload is SIGHUP: `systemctl reload lhbackupd`. A file with faults leaves the former one in force, and what has
  changed and wants a restart is said in the log.
- No key holds a secret: keys marked *secret* name the file that does. Under systemd such a file can be a credential
  ([the unit](../systemd/lhbackupd.service) has the lines, and [getting-started.md](getting-started.md) the steps), in
  Kubernetes a mounted Secret. A new secret in the same file wants no restart: those of `[longhorn]` are read again when
  a connection is lost or refused with 401, those of messages and pings each time. (systemd copies a credential when
  the service starts; there it does.) The one exception is the password in a `state.url` of PostgreSQL: give that as
  `LHBACKUPD_STATE__URL`.
"""
_WIDTH = 120
#: values that are refused, but for a few readers that take the first
_WRONG = ("@", object())


def reference() -> str:
    """Every key with meaning and unit, what is allowed, default, variable, and whether a reload takes it."""
    lines = [_HEADER, "## Above all sections", "", "A change wants a restart.", "", *entries((), Settings)]
    for name in Settings.model_fields:
        if (section := section_at((name,))) is not None:
            title = f"[[{name}]]" if name in TABLES else f"[{name}]"
            reload = "A reload takes changes." if name in RELOADED else "A change wants a restart."
            lines += [f"## `{title}`", "", *_prose(f"{section.__doc__} {reload}"), *entries((name,), section)]
    return "\n".join(lines).rstrip() + "\n"


def entries(above: tuple[str, ...], section: type[BaseModel]) -> Iterator[str]:
    """A heading for each key of a section, with all that there is to say."""
    for key, field in section.model_fields.items():
        location, inner = (*above, key), inner_section(section, key)
        if inner is not None and not above:
            continue  # a section of its own
        facts = [_default(section, key)] if inner is None else []
        if location[0] not in TABLES:
            facts.append(f"variable `{variable(location)}`")
        if key in SECRET_PATHS:
            facts.append("*secret*")
        yield from (f"### `{'.'.join(location)}`", "", *_prose(field.description or ""))
        if inner is None:
            yield from _prose(f"Allowed: {'; '.join((allowed(field), *facts))}.")
        elif key == "exclude":
            yield from ("A table with the keys of match.", "")
        else:
            yield from ("A table:", "", "| key | meaning | allowed |", "|---|---|---|")
            for name, one in inner.model_fields.items():
                yield f"| `{name}` | {one.description} | {allowed(one)}; {_default(inner, name)} |"
            yield ""


def _prose(text: str) -> Iterator[str]:
    """A paragraph."""
    yield from textwrap.wrap(" ".join(text.split()), _WIDTH, break_on_hyphens=False, break_long_words=False)
    yield ""


def allowed(field: FieldInfo) -> str:
    """What a key may be, in the words in which anything else is refused. Raises ValueError if all is taken."""
    with warnings.catch_warnings(action="ignore"):  # of what is of no use outside a section, as `repr`
        annotation: Any = Annotated[field.annotation, field]
        reader: TypeAdapter[object] = TypeAdapter(annotation)
    for wrong in _WRONG:
        try:
            reader.validate_python(wrong)
        except ValidationError as error:
            refusal = error.errors(include_url=False)[0]
            return str(refusal.get("ctx", {}).get("error", refusal["msg"]))
    raise ValueError(f"{field.description!r} refuses nothing")


def _default(section: type[BaseModel], key: str) -> str:
    if section.model_fields[key].is_required():
        return "required"
    value = section.model_construct().model_dump(mode="json", include={key})[key]
    return "no default" if value is None or value == [] else f"default `{toml(value)}`"
