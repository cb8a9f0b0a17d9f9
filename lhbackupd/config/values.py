"""Single values of the configuration: how they are written, and what is allowed.

Each reader takes what TOML, JSON or the environment gave (there everything is text) and returns the value, or raises
ValueError with nothing but the words for what is allowed; `loading` adds where and what was found. The writers give
back the shortest text that reads as the same value.
"""

import json
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator

from lhbackupd.core.windows import parse_window

_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?", re.ASCII)
_SIZE = re.compile(r"(\d{1,15})([KMGT]i?B|B)?", re.ASCII)
_TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
_LONGEST_LABEL = 40
_LONGEST_REASON = 200
_UNITS: dict[str, int] = {"B": 1}
_UNITS |= {f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", 1)}
_UNITS |= {f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", 1)}
#: a unix socket's path has 108 bytes with its closing zero
_LONGEST_SOCKET = 107
_LAST_PORT = 65535
_PASSWORD = re.compile(r"(://[^:@/\s]*:).*(@)", re.DOTALL)
_PASSWORD_PARAMETER = re.compile(r"([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&]*", re.IGNORECASE)

MASK = "***"


def mask(text: str) -> str:
    """The text with passwords of the URLs in it taken out."""
    return _PASSWORD_PARAMETER.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1{MASK}\2", text))


def duration(least: str, most: str) -> BeforeValidator:
    """A time span as `15s`, `5m`, `2h`, `1d` or put together as `1h30m`; from `least` to `most`."""
    lower, upper = read_span(least), read_span(most)

    def read(value: object) -> timedelta:
        span = value if isinstance(value, timedelta) else read_span(value)
        if span is None or lower is None or upper is None or not lower <= span <= upper:
            raise ValueError(f'a duration such as "15s", "5m", "2h", "1d" or "1h30m", from {least} to {most}')
        return span

    return BeforeValidator(read)


def read_span(value: object) -> timedelta | None:
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


_WITHIN = "finish-within "


def read_on_workload(value: object) -> str:
    """`finish`, `yield`, or `finish-within` with a duration."""
    within = read_span(value.removeprefix(_WITHIN)) if isinstance(value, str) and value.startswith(_WITHIN) else None
    if isinstance(value, str) and (value in {"finish", "yield"} or (within and within > timedelta(0))):
        return value
    raise ValueError('"finish", "yield", or "finish-within" with a duration, as in "finish-within 5m"')


def give_way_after(text: str) -> float | None:
    """How many seconds a workload waits at most, of what `read_on_workload` let pass; None for as long as it takes."""
    if text == "finish":
        return None
    within = read_span(text.removeprefix(_WITHIN))
    return within.total_seconds() if within else 0.0


def write_duration(span: timedelta) -> str:
    """The text of whole seconds: `1h30m`."""
    left, text = int(span.total_seconds()), ""
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, seconds)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def read_size(value: object) -> int:
    """Bytes, from `0`, `4KiB` (1024) or `10MB` (1000)."""
    match = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if match is None:
        raise ValueError('a size such as "0", "4KiB", "10MiB" or "1GB"')
    return int(match[1]) * _UNITS[match[2] or "B"]


def write_size(size: int) -> str:
    """The text of a number of bytes, in the largest unit that divides it."""
    fitting = [(factor, unit) for unit, factor in _UNITS.items() if unit != "B" and size % factor == 0]
    factor, unit = max(fitting, default=(1, "")) if size else (1, "")
    return f"{size // factor}{unit}"


def whole_number(least: int, most: int) -> BeforeValidator:
    """A whole number from `least` to `most`."""

    def read(value: object) -> int | None:
        number = int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value) else value
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return number

    return BeforeValidator(read)


def one_of(*allowed: str) -> BeforeValidator:
    """One of some words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(" or ".join(f'"{word}"' for word in allowed))
        return value

    return BeforeValidator(read)


def some_of(*allowed: str) -> Callable[[object], tuple[str, ...]]:
    """A list of some of these words; an empty one is fine."""

    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one in allowed for one in value):
            raise ValueError(f"a list with any of {', '.join(json.dumps(word) for word in allowed)}, or [] for none")
        return tuple(dict.fromkeys(value))

    return read


def read_time_of_day(value: object) -> str:
    """`off`, or hours and minutes."""
    if not isinstance(value, str) or (value != "off" and not _TIME_OF_DAY.fullmatch(value)):
        raise ValueError('"off", or a time of day such as "08:00"')
    return value


def checked(parse: Callable[[str], object]) -> BeforeValidator:
    """A text that `parse` takes; it raises ValueError with what is allowed."""

    def read(value: object) -> str:
        parse(value if isinstance(value, str) else "")
        return str(value)

    return BeforeValidator(read)


def read_flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 -- pydantic collects ValueErrors
    return value


def read_label(value: object) -> str:
    """A name that also fits into a Kubernetes label and between the colons of a ticket's id."""
    if not isinstance(value, str) or len(value) > _LONGEST_LABEL or not _LABEL.fullmatch(value):
        raise ValueError(f"lower-case letters, digits and inner hyphens, at most {_LONGEST_LABEL}")
    return value


def read_globs(value: object) -> tuple[str, ...]:
    """A list of globs; an empty one is a mistake, since it could mean all as well as none."""
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) and one for one in value):
        raise ValueError('a list of names, which may hold *, ? and [a-z], such as ["pvc-*"]; without the key all match')
    return tuple(value)


def read_windows(value: object) -> tuple[str, ...]:
    """A list of windows, each a text that `parse_window` takes."""
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
        raise ValueError('a list of windows, such as ["22:00-06:00"] or ["mon-fri 22:00-06:00", "sat,sun 00:00-24:00"]')
    for text in value:
        try:
            parse_window(text)
        except ValueError as error:
            raise ValueError(f'"{text}" is none: {error}') from None
    return tuple(value)


def read_reason(value: object) -> str:
    """A sentence for people, on one line."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > _LONGEST_REASON:
        raise ValueError(f"a few words on one line, at most {_LONGEST_REASON} characters")
    return value.strip()


def read_user(value: object) -> str:
    """A user name for basic authentication, which ends at the first colon."""
    if not isinstance(value, str) or not value or ":" in value or not value.isprintable():
        raise ValueError("a user name without colons")
    return value


def read_path(value: object) -> Path:
    """An absolute path."""
    if not isinstance(value, str | Path) or not str(value).startswith("/") or "\0" in str(value):
        raise ValueError("an absolute path")
    return Path(value)


def read_file_path(value: object) -> Path:
    """An absolute path to a file that can be read."""
    path = read_path(value)
    try:
        readable = path.is_file() and os.access(path, os.R_OK)
        why = "it is a directory" if path.is_dir() else "no permission" if path.exists() else "there is none"
    except OSError as error:  # a directory above it may not be entered, or its name is too long
        readable, why = False, (error.strerror or type(error).__name__).lower()
    if not readable:
        raise ValueError(f"a file that can be read ({why})")
    return path


def read_socket(value: object) -> Path:
    """An absolute path that is short enough for a unix socket."""
    path = read_path(value)
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise ValueError(f"an absolute path of at most {_LONGEST_SOCKET} bytes")
    return path


def read_longhorn_url(value: object) -> str:
    """Where Longhorn's API is, without the `/v1`; a path before that (of a proxy) is fine."""
    url = _split(value)
    if url is None or url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise ValueError('a URL such as "http://longhorn-backend:9500"')
    if "@" in url.netloc:
        raise ValueError("a URL without user and password: these belong into username and password_file")
    if url.path.rstrip("/").endswith("/v1"):
        raise ValueError('the URL without "/v1" at its end')
    return str(value).rstrip("/")


def read_state_url(value: object) -> str:
    """An SQLAlchemy URL of SQLite with an absolute path, or of PostgreSQL with a database."""
    url = _split(value)
    if url is None or url.scheme.split("+")[0] not in {"sqlite", "postgresql"}:
        raise ValueError('"sqlite:////absolute/path" or "postgresql://user@host/database"')
    if url.scheme.startswith("sqlite") and (url.netloc or not re.fullmatch(r"//[^/].*", url.path)):
        raise ValueError("an absolute path after sqlite:/// (four slashes in all): the state outlives the process")
    if url.scheme.startswith("postgresql") and not url.path.strip("/"):
        raise ValueError("a database at the end: postgresql://user@host/database")
    return str(value)


def _split(value: object) -> SplitResult | None:
    """The parts of a URL; None if it is no text, has a space or control character, or a port that is none."""
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        return None
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        return None
    return None if port == 0 else url


def read_listen(value: object) -> str:
    """`off`, or `host:port`; port 0 takes any that is free."""
    if value != "off" and split_listen(value) is None:
        raise ValueError('"off" or host:port, such as "127.0.0.1:9595" or "[::]:9595"')
    return str(value)


def split_listen(value: object) -> tuple[str, int] | None:
    """Host and port of a listen address."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})", value) if isinstance(value, str) else None
    if match is None or int(match[2]) > _LAST_PORT:
        return None
    return match[1].strip("[]"), int(match[2])
