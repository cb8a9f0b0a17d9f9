"""From a file and the environment to a `Config`, or to all faults at once.

The layers are read, laid over each other and checked by the schema; what pydantic finds is said again in our words,
with the file or variable that the value stands in. Nothing but `ConfigFault` leaves this module, and no value that
could be a secret is in it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lhbackupd.config.fault import ConfigFault, Fault, quote
from lhbackupd.config.layer import SECRETS, TABLES, Layer, Location, read_environment, read_file, section_at
from lhbackupd.config.notify import Notify
from lhbackupd.config.schema import Control, Http, Log, Longhorn, Settings, State
from lhbackupd.core import model
from lhbackupd.core.retry import Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration without faults; equal if it says the same, wherever that was written."""

    instance: str
    longhorn: Longhorn
    state: State
    limits: model.Limits
    http: Http
    control: Control
    log: Log
    retry: Retry
    notify: Notify
    policies: tuple[model.Policy, ...]
    excludes: tuple[model.Exclude, ...]
    #: as it was written, for `show`
    settings: Settings = field(repr=False)
    #: key to where its value came from; a key that is missing has its default
    origins: Mapping[str, str] = field(repr=False, compare=False)


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the file at `path` (None: no file) and the environment (default: the process's).

    Raises ConfigFault with every fault there is.
    """
    environment = read_environment(os.environ if environ is None else environ)
    file = read_file(path)
    faults = [*file.faults, *environment.faults]
    settings = None
    try:
        settings = Settings(layers=(environment.values, file.values))
    except ValidationError as error:
        faults += [_translate(detail, environment, file) for detail in error.errors(include_url=False)]
    faults += _doubles(environment if "policy" in environment.values else file)
    if faults or settings is None:
        raise ConfigFault(faults)
    return _config(settings, environment, file)


def check(path: Path | None, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The faults of a configuration, one line each; none if it can be used."""
    try:
        load(path, environ)
    except ConfigFault as error:
        return tuple(map(str, error.faults))
    return ()


def _config(settings: Settings, environment: Layer, file: Layer) -> Config:
    replaced = tuple(f"{name}[" for name in TABLES if name in environment.values)
    origins = {key: source for key, source in file.origins().items() if not key.startswith(replaced)}
    origins |= environment.origins()
    excludes = tuple(section.exclude() for section in settings.exclude)
    return Config(
        instance=settings.instance,
        longhorn=settings.longhorn,
        state=settings.state,
        limits=settings.limits.value(),
        http=settings.http,
        control=settings.control,
        log=settings.log,
        retry=settings.retry.value(),
        notify=settings.notify,
        policies=tuple(policy.value(tuple(each.match for each in excludes)) for policy in settings.policy),
        excludes=excludes,
        settings=settings,
        origins=origins,
    )


def _translate(detail: ErrorDetails, environment: Layer, file: Layer) -> Fault:
    """One of pydantic's findings in our words."""
    location: Location = detail["loc"]
    key, context = str(location[-1]), detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            found, allowed = "nothing", f"{'an' if location[0] == 'exclude' else 'a'} {location[0]} needs a {key}"
        case "extra_forbidden":
            found, allowed = "an unknown key", _suggest(location)
        case "conflict":
            found, allowed = str(context["found"]), str(context["allowed"])
        case "value_error":
            found, allowed = quote(detail["input"], key=key), str(context["error"])
        case "tuple_type":
            found, allowed = _kind(detail["input"]), f"a list of tables: [[{location[0]}]]"
        case _:
            found, allowed = _kind(detail["input"]), "a table"
    return _layer_of(location, environment, file).fault(location, found=found, allowed=allowed)


def _layer_of(location: Location, environment: Layer, file: Layer) -> Layer:
    """Where to look for the fault: what is missing in a policy, or does not go together in a section, is nowhere."""
    if location[0] in TABLES:
        return environment if environment.has(location[:1]) else file
    section = len(location) == 1 and section_at(location) is not None
    return environment if environment.has(location) and not (section and file.has(location)) else file


def _kind(value: object) -> str:
    """What stands where a table belongs; not the value, which may be a secret."""
    return "a text" if isinstance(value, str) else quote(value)


def _suggest(location: Location) -> str:
    section = section_at(location[:-1])
    known = list(section.model_fields) if section else []
    key = str(location[-1])
    if key in SECRETS:
        return f"secrets are only named by file: use {SECRETS[key]}" if SECRETS[key] in known else "no secrets here"
    near = get_close_matches(key, known, n=1)
    return f'did you mean "{near[0]}"?' if near else f"one of {', '.join(known)}"


def _doubles(layer: Layer) -> Iterator[Fault]:
    """Policies of one name, found in what was written, so that they are told beside other faults."""
    policies = layer.values.get("policy")
    seen: dict[str, int] = {}
    for index, policy in enumerate(policies if isinstance(policies, list) else ()):
        name = policy.get("name") if isinstance(policy, dict) else None
        if isinstance(name, str) and name in seen:
            allowed = f"a name of its own; policy[{seen[name]}] has this one already"
            yield layer.fault(("policy", index, "name"), found=quote(name), allowed=allowed)
        elif isinstance(name, str):
            seen[name] = index
