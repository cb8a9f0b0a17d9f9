"""The series of volumes: each gauge that Prometheus has of every volume, and its lines as text.

They are nearly all of a scrape, and of ten thousand volumes few change between two scrapes. So a row's lines are kept
as long as the report has the same row; the client library, asked for the same text, takes many times as long. For all
who ask otherwise these are metrics like others.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString
from typing_extensions import override

from lhbackupd.core.protection import UPHELD
from lhbackupd.core.rpo import Rpo
from lhbackupd.engine.scheduler import Key
from lhbackupd.surface.report import CoveredVolume

LABELS = ("volume", "pvc", "pvc_namespace", "policy")

Encode = Callable[[Collector], bytes]


class _Value(NamedTuple):
    """What a series shows, and its label besides those of all."""

    number: float
    label: str = ""


class _Kind(NamedTuple):
    """A gauge that volumes have."""

    name: str
    text: str
    #: None while there is nothing to tell
    value: Callable[[CoveredVolume], _Value | None]
    #: the name of the label besides those of all; "" where there is none
    label: str = ""


def _time(name: str, text: str, pick: Callable[[CoveredVolume], datetime | None]) -> _Kind:
    def value(row: CoveredVolume) -> _Value | None:
        when = pick(row)
        return None if when is None else _Value(when.timestamp())

    return _Kind(f"lhbackupd_volume_{name}_timestamp_seconds", text, value)


def _rpo(row: CoveredVolume) -> _Value | None:
    return None if row.rpo in {Rpo.NONE, Rpo.COMPLIANT} else _Value(1, row.rpo.value)


def _unprotected(row: CoveredVolume) -> _Value | None:
    return _Value(row.unprotected_bytes) if row.unprotected_bytes else None


def _outcome(row: CoveredVolume) -> _Value | None:
    told = row.last_outcome
    return None if told is None or told in UPHELD else _Value(1, told.value)


_KINDS = (
    _time("last_success", "When a backup was last completed.", lambda row: row.last_success),
    _time("last_check", "When the volume was last inspected.", lambda row: row.last_check),
    _time("protected_until", "Up to when its data is in a backup.", lambda row: row.protected_until),
    _time(
        "unprotected_since",
        "Since when there may be data that no completed backup holds; no series while nothing says so.",
        lambda row: row.unprotected_since,
    ),
    _Kind(
        "lhbackupd_volume_rpo",
        "1 for how it stands to its policy's RPO, where that is not kept for certain.",
        _rpo,
        "state",
    ),
    _Kind(
        "lhbackupd_volume_unprotected_bytes",
        "Bytes that the last inspection found and no backup holds; no series where it found none.",
        _unprotected,
    ),
    _Kind(
        "lhbackupd_volume_last_outcome",
        "1 for the outcome of the last run, where that has neither protected the volume nor let it alone.",
        _outcome,
        "outcome",
    ),
)


#: what lines are written from
_told = attrgetter(
    "volume", "pvc", "pvc_namespace", "policy", "last_success", "last_check", "protected_until", "unprotected_since",
    "rpo", "unprotected_bytes", "last_outcome",
)  # fmt: skip


class _Lines(NamedTuple):
    """A row, and its line of each kind, "" where it has none."""

    row: CoveredVolume
    lines: tuple[str, ...]


class Volumes(Metric):
    """One gauge of all volumes. Its samples are made when they are asked for."""

    def __init__(self, kind: _Kind, rows: Collection[CoveredVolume], lines: Callable[[], Iterator[str]]) -> None:
        super().__init__(kind.name, kind.text, "gauge")
        self._kind = kind
        self._rows = rows
        self._lines = lines

    @property
    def samples(self) -> list[Sample]:
        """As the client library wants them."""
        kind, values = self._kind, ((row, self._kind.value(row)) for row in self._rows)
        return [Sample(kind.name, _labels(row, kind, one), one.number) for row, one in values if one is not None]

    @samples.setter
    def samples(self, _: list[Sample]) -> None:
        """The library sets none here that count."""

    def text(self) -> str:
        """As Prometheus reads them, in either of its formats."""
        return f"# HELP {self.name} {self.documentation}\n# TYPE {self.name} gauge\n{''.join(self._lines())}"


class Series:
    """Makes the metrics of volumes, and keeps their lines."""

    def __init__(self) -> None:
        #: what lines were last written of, and those; None before the first scrape
        self._written: tuple[Collection[CoveredVolume], dict[Key, _Lines]] | None = None

    def ahead(self, rows: Collection[CoveredVolume]) -> None:
        """Write the lines of these rows before a scrape asks for them, if there ever was one."""
        if self._written is not None:
            self.lines(rows)

    def of(self, rows: Collection[CoveredVolume]) -> tuple[Volumes, ...]:
        """Every gauge of these volumes."""
        made: list[tuple[str, ...]] = []

        def lines(number: int) -> Iterator[str]:
            if not made:
                made.extend(self.lines(rows))
            return (one[number] for one in made)

        return tuple(Volumes(kind, rows, partial(lines, number)) for number, kind in enumerate(_KINDS))

    def lines(self, rows: Collection[CoveredVolume]) -> list[tuple[str, ...]]:
        """The lines of each row, one for each gauge, "" where the row has none."""
        former_rows, kept = self._written or (None, dict[Key, _Lines]())
        if former_rows is not rows:
            before, kept = kept, {}
            for row in rows:
                key = row.policy, row.volume
                former = before.get(key)
                if former is None or (former.row is not row and _told(former.row) != _told(row)):
                    former = _Lines(row, tuple(_write(row)))
                kept[key] = former
            self._written = rows, kept
        return [one.lines for one in kept.values()]


def _write(row: CoveredVolume) -> Iterator[str]:
    labels = ",".join([f'{name}="{_escaped(value)}"' for name, value in _common(row)])
    for kind in _KINDS:
        if (value := kind.value(row)) is None:
            yield ""
        else:
            more = f',{kind.label}="{_escaped(value.label)}"' if kind.label else ""
            yield f"{kind.name}{{{labels}{more}}} {_number(value.number)}\n"


def _labels(row: CoveredVolume, kind: _Kind, value: _Value) -> dict[str, str]:
    labels = dict(_common(row))
    return {**labels, kind.label: value.label} if kind.label else labels


def _common(row: CoveredVolume) -> Iterator[tuple[str, str]]:
    return zip(LABELS, (row.volume, row.pvc, row.pvc_namespace, row.policy), strict=True)


def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class _Some(Collector):
    """These metrics and no others, for the library's encoders."""

    def __init__(self, metrics: Collection[Metric]) -> None:
        self._metrics = metrics

    @override
    def collect(self) -> Collection[Metric]:
        return self._metrics


def exposition(metrics: Collector, encode: Encode) -> bytes:
    """All that `metrics` collects, as text: what `encode` says, but faster; OpenMetrics ends as it must."""
    found = tuple(metrics.collect())
    text = "".join(metric.text() for metric in found if isinstance(metric, Volumes))
    return text.encode() + encode(_Some([metric for metric in found if not isinstance(metric, Volumes)]))
