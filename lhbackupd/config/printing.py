"""The configuration as text: the one in force with where each value comes from, and an example with every key.

Both are TOML and both are made from the schema, so neither can fall behind it. Secrets are not in them, since the
configuration holds only the paths of secrets; the password in a database's URL is masked.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from lhbackupd.config.layer import TABLES, inner_section, section_at
from lhbackupd.config.loading import Config
from lhbackupd.config.schema import Settings
from lhbackupd.config.values import mask

_WIDTH = 110
_HEADER = """\
# Configuration of lhbackupd. The values are the defaults, except for the policy at the end; what has no default is
# commented out. Check a file with `lhbackupd config check --config FILE`.
# Each key can be set in the environment as well, which wins: LHBACKUPD_INSTANCE, LHBACKUPD_LIMITS__PER_NODE, and so on
# for every [section] and key. LHBACKUPD_POLICY, a JSON list of tables, stands in place of all [[policy]], and
# LHBACKUPD_EXCLUDE of all [[exclude]].
# Durations are written "15s", "5m", "2h", "1d" or "1h30m", sizes "0", "4KiB" (1024), "10MB" (1000).
"""


def show(config: Config) -> str:
    """The configuration in force as TOML; behind each value, where it comes from."""
    written = config.settings.model_dump(mode="json")
    lines = ["# The configuration in force. Behind each value: where it comes from."]
    lines += _shown({"instance": written.pop("instance")}, "", config.origins)
    tables = {name: written.pop(name) for name in TABLES}
    for name, section in written.items():
        lines += ["", f"[{name}]", *_shown(section, f"{name}.", config.origins)]
    for name, sections in tables.items():
        for index, section in enumerate(sections):
            lines += ["", f"[[{name}]]", *_shown(flat(section), f"{name}[{index}].", config.origins)]
    return "\n".join(lines) + "\n"


def _shown(values: Mapping[str, object], prefix: str, origins: Mapping[str, str]) -> Iterator[str]:
    for key, value in values.items():
        if value is None or value == []:
            yield f"# {key} is not set"
        else:
            yield f"{key} = {toml(value)}  # {_comment(origins.get(prefix + key, 'default'))}"


def flat(table: Mapping[str, object]) -> dict[str, object]:
    """Tables inside a table as dotted keys."""
    flat: dict[str, object] = {}
    for key, value in table.items():
        flat |= {f"{key}.{inner}": one for inner, one in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def example() -> str:
    """A configuration with every key, its default and its reason; a file that loads."""
    sample = {"name": "nightly", "cron": "0 2 * * *", "keep": {"last": 7}}
    written = Settings(layers=({"policy": [sample]},)).model_dump(mode="json")
    lines = [_HEADER, *_explained(Settings, "instance", written["instance"])]
    for name in Settings.model_fields:
        section, examples = section_at((name,)), Settings.model_fields[name].examples
        if section is not None and examples:
            sample_ = [f"# {key} = {toml(value)}" for key, value in examples[0].items()]
            lines += ["", *_comments(section.__doc__ or ""), f"# [[{name}]]", *sample_]
        elif section is not None:
            header, values = (f"[{name}]", written[name]) if name != "policy" else ("[[policy]]", written[name][0])
            lines += ["", *_comments(section.__doc__ or ""), header]
            lines += [line for key, value in values.items() for line in _explained(section, key, value)]
    return "\n".join(lines) + "\n"


def _explained(section: type[BaseModel], key: str, value: object) -> Iterator[str]:
    """A key with its comment; commented out, with the example, if it may be left out and then stands for nothing."""
    field = section.model_fields[key]
    yield from _comments(field.description or "")
    inner = inner_section(section, key)
    if inner is not None and len(inner.model_fields) > 1 and key != "exclude":  # its keys are those of match
        yield from _comments("; ".join(f"{name}: {one.description}" for name, one in inner.model_fields.items()) + ".")
    yield f"# {key} = {toml(field.examples[0])}" if field.examples else f"{key} = {toml(value)}"


def _comments(text: str) -> list[str]:
    wrapped = textwrap.wrap(" ".join(text.split()), _WIDTH, break_on_hyphens=False)
    return [f"# {line}" for line in wrapped]


def _comment(text: str) -> str:
    """A text that may stand in a comment, which ends at the line's end."""
    return text if text.isprintable() else json.dumps(text)


def toml(value: object) -> str:
    """A value as TOML, on one line; passwords of URLs are masked."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            shown = mask(value)
            return json.dumps(shown, ensure_ascii=not shown.isprintable())
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return f"{{ {', '.join(f'{key} = {toml(one)}' for key, one in value.items() if one is not None)} }}"
        case _:
            return str(value)
