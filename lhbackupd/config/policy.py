"""The `[[policy]]` section: which volumes are backed up when, and how.

Defaults are those of the core's own values; `value` turns what was written into them.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from lhbackupd.config import secrets, values
from lhbackupd.config.match import MatchSection
from lhbackupd.config.section import Amount, Flag, Label, Objective, Section, Size, Span, Windows, Within, conflict
from lhbackupd.core import model
from lhbackupd.core.notices import OF_POLICY, Kind
from lhbackupd.core.timetable import parse_cron, parse_zone, shortest_gap
from lhbackupd.core.windows import Window, open_week, parse_window

_DEFAULT = model.Policy(name="default", cron="0 2 * * *")
_PATIENCE = model.Patience()
#: between two inspections under `no_touch`, where nothing else is said
_LONGEST = timedelta(days=7)


class KeepSection(Section):
    """Retention: a completed backup stays if any of these keeps it."""

    last: Amount | None = Field(default=None, description="so many newest ones")
    hourly: Amount | None = Field(default=None, description="the newest of so many hours that have one")
    daily: Amount | None = Field(default=None, description="the same by days, in the policy's zone")
    weekly: Amount | None = Field(default=None, description="by ISO weeks")
    monthly: Amount | None = Field(default=None, description="by months")
    yearly: Amount | None = Field(default=None, description="by years")
    within: Within | None = Field(default=None, description="all younger than this, counted from the newest")
    minimum: Amount | None = Field(default=None, description="so many stay whatever the rules say; default 1")

    @model_validator(mode="after")
    def _keeps_something(self) -> Self:
        if self.model_fields_set == {"minimum"}:
            raise conflict(
                "minimum alone, which is no rule and so deletes nothing",
                "another rule beside it, as in { last = 7, minimum = 3 }; or no keep at all, and all backups stay",
            )
        return self

    def value(self) -> model.Keep | None:
        """The rules; None where there are none, and all stay."""
        written = self.model_dump(exclude_none=True)
        return model.Keep(**written) if written else None


class PatienceSection(Section):
    """How long a phase may last without getting on."""

    attach: Span = Field(default=timedelta(seconds=_PATIENCE.attach), description="until the volume is ours")
    inspect: Span = Field(default=timedelta(seconds=_PATIENCE.inspect), description="to read snapshots and backups")
    snapshot: Span = Field(default=timedelta(seconds=_PATIENCE.snapshot), description="until the snapshot is ready")
    backup: Span = Field(default=timedelta(seconds=_PATIENCE.backup), description="without progress of the backup")
    detach: Span = Field(
        default=timedelta(seconds=_PATIENCE.detach), description="until Longhorn confirms; then said loudly, tried on"
    )

    def value(self) -> model.Patience:
        return model.Patience(**{name: getattr(self, name).total_seconds() for name in type(self).model_fields})


class Policy(Section):
    """Which volumes are backed up when, and how. All policies that match a volume apply to it."""

    name: Label = Field(
        description="Lower-case letters, digits and inner hyphens, at most 40: it labels snapshots and backups. A"
        " renamed policy is a new one, which does not know the backups of the old.",
    )
    cron: Annotated[str, values.checked(parse_cron)] = Field(
        description="Minute, hour, day of the month, month, weekday (0 and 7 are Sunday), as in Longhorn.",
    )
    timezone: Annotated[str, values.checked(parse_zone)] = Field(
        default=_DEFAULT.timezone,
        description="IANA name of the zone that cron is meant in. A named hour happens once, also when clocks move.",
    )
    spread: Span | None = Field(
        default=None,
        examples=["2h"],
        description="Duration. Each volume is due at a moment of its own within this time after cron, always the same"
        " one, so that not all start at once. At most the shortest time between two due times.",
    )
    on_detach: Span | None = Field(
        default=None,
        examples=["10m"],
        description="Duration. A volume that a workload or a person has used and that has been detached for so long is"
        " backed up then, once, besides at the times of cron.",
    )
    window: Windows = Field(
        default=(),
        examples=[["22:00-06:00", "sat,sun 00:00-24:00"]],
        description="When runs may start, on the clocks of timezone; without it always. Due outside, they wait. At its"
        " end what runs goes on, and nothing more starts. Days are those on which a window begins.",
    )
    blackout: Windows = Field(
        default=(),
        examples=[["mon-fri 08:00-18:00"]],
        description="When no run may start, written as window is; wins over it.",
    )
    mode: Annotated[model.Mode, values.one_of(*model.Mode)] = Field(
        default=_DEFAULT.mode,
        description='"active", or "shadow": touch nothing, and write down what each run would have done (see lhbackupd'
        " history). A shadow protects no volume.",
    )
    match: MatchSection = Field(
        default_factory=MatchSection,
        examples=[{"name": ["pvc-*"], "namespace": ["shop"], "pvc": ["db-*"], "group": ["nightly"]}],
        description="Which volumes; without it all. Every key must fit, of a key's values one; * ? [a-z] are globs.",
    )
    exclude: MatchSection = Field(
        default_factory=MatchSection,
        examples=[{"namespace": ["dev", "test-*"], "max_size": "1GiB"}],
        description="Which of these not, by the same keys, read in the same way: out is what fits every key.",
    )
    detached: Annotated[model.Detached, values.one_of(*model.Detached)] = Field(
        default=_DEFAULT.detached,
        description='What to do with detached volumes: "follow-setting" (Longhorn\'s setting'
        ' allow-recurring-job-while-volume-detached), "always" or "never".',
    )
    on_workload: Annotated[str, BeforeValidator(values.read_on_workload)] = Field(
        default="finish-within 5m",
        description='When a pod wants a volume that we hold: "finish" the run first, while the pod waits; "yield" at '
        'once and back the volume up attached; or "finish-within 5m": finish if the pod need not wait longer than '
        "that, else yield.",
    )
    min_new_bytes: Size = Field(
        default=_DEFAULT.min_new_bytes,
        description='Size. New data up to this is not backed up, and said to be unprotected. "4KiB" is wise for mounted'
        " file systems: these dirty one block right after each snapshot.",
    )
    skip_unchanged_attached: Flag = Field(
        default=_DEFAULT.skip_unchanged_attached,
        description="Also skip an attached volume whose head shows no new data, although its file system may hold some"
        " that is not written yet.",
    )
    allow_v2: Flag = Field(default=_DEFAULT.allow_v2, description="Also attach volumes on the v2 data engine.")
    rpo: Objective | None = Field(
        default=None,
        examples=["26h"],
        description="Duration. For how long data may be in no backup, counted from the first sign of it (attached,"
        " grown): longer, and the volume is reported. No shorter than what lies between two due times.",
    )
    no_touch: Flag = Field(
        default=False,
        description="Do not attach a detached volume that, by Longhorn's events and all polls, nobody has had since its"
        " last inspection. That is evidence and no proof: docs/no-touch.md says what it can miss.",
    )
    inspect_at_least: Objective | None = Field(
        default=None,
        examples=["12h"],
        description="Duration. With no_touch: each volume is inspected again within this time, though nobody seems to"
        " have had it. At most half the rpo. Without this key it is half the rpo, and never more than 7d.",
    )
    keep: KeepSection = Field(
        default_factory=KeepSection,
        description="Which completed backups of this policy stay; without it all. The newest is never deleted, nor the "
        "last made.",
    )
    full_every: Amount | None = Field(
        default=None,
        examples=[7],
        description="Every so many-th completed backup of a volume is a full one, which reads and uploads every block"
        " again; without it none. Longhorn before 1.8 cannot, makes an incremental one, and the run says so.",
    )
    patience: PatienceSection = Field(
        default_factory=PatienceSection,
        description="Durations. A phase that does not get on for so long is a failure; the volume is given back.",
    )
    notify: Annotated[tuple[Kind, ...], BeforeValidator(values.some_of(*OF_POLICY))] = Field(
        default=_DEFAULT.notify,
        description="What of this policy is told where [notify] says: that its backups fail, that they are well again,"
        " that its RPO is violated. [] tells nothing.",
    )
    ping_url_file: Annotated[Path, BeforeValidator(secrets.read_ping_file)] | None = Field(
        default=None,
        examples=["/etc/lhbackupd/ping-nightly"],
        description="File with a URL, as healthchecks.io and its like give one: URL/start is called when runs of this"
        " policy begin, URL when all have ended and none of its volumes fails, else URL/fail.",
    )

    @model_validator(mode="after")
    def _comes_about(self) -> Self:
        gap = shortest_gap(parse_cron(self.cron)) if self.spread is not None else None
        if self.spread is not None and gap is not None and self.spread > gap:
            found = f'spread "{values.write_duration(self.spread)}" with cron "{self.cron}"'
            most = values.write_duration(gap)
            raise conflict(found, f'a spread of at most "{most}", the shortest time between two due times of that cron')
        if not any(open_week(_parsed(self.window), _parsed(self.blackout))):
            found = f"blackout {_listed(self.blackout)}" + (
                f" over window {_listed(self.window)}" if self.window else ""
            )
            raise conflict(found, "a time of the week that is in no blackout: as it is, no run would ever start")
        return self

    @model_validator(mode="after")
    def _is_inspected(self) -> Self:
        if self.inspect_at_least is not None and self.rpo is not None and self.inspect_at_least > self.rpo / 2:
            found = f'inspect_at_least "{values.write_duration(self.inspect_at_least)}"'
            half, rpo = values.write_duration(_whole(self.rpo / 2)), values.write_duration(self.rpo)
            raise conflict(f'{found} with rpo "{rpo}"', f'at most "{half}", half the rpo, or a longer rpo')
        return self

    @model_validator(mode="after")
    def _is_for_some(self) -> Self:
        if self.exclude.leaves_nothing_of(self.match):
            raise conflict(
                "an exclude that leaves out all that match fits", "an exclude that is narrower than the match"
            )
        return self

    def _no_touch(self) -> timedelta | None:
        """For how long a volume may be let alone."""
        if not self.no_touch:
            return None
        return self.inspect_at_least or min(_LONGEST, _whole(self.rpo / 2) if self.rpo is not None else _LONGEST)

    def value(self, excludes: tuple[model.Match, ...] = ()) -> model.Policy:
        """The policy that decisions are made with; `excludes` are left out of every policy."""
        own = self.exclude.value()
        return model.Policy(
            name=self.name,
            cron=self.cron,
            timezone=self.timezone,
            spread=self.spread,
            on_detach=self.on_detach,
            window=_parsed(self.window),
            blackout=_parsed(self.blackout),
            mode=self.mode,
            match=self.match.value(),
            exclude=(*((own,) if own != model.Match() else ()), *excludes),
            detached=self.detached,
            give_way_after=values.give_way_after(self.on_workload),
            min_new_bytes=self.min_new_bytes,
            skip_unchanged_attached=self.skip_unchanged_attached,
            allow_v2=self.allow_v2,
            rpo=self.rpo,
            no_touch=self._no_touch(),
            keep=self.keep.value(),
            full_every=self.full_every or 0,
            patience=self.patience.value(),
            notify=self.notify,
            ping_url_file=self.ping_url_file,
        )


def _whole(length: timedelta) -> timedelta:
    """In whole seconds, as durations are written."""
    return timedelta(seconds=int(length.total_seconds()))


def _parsed(texts: tuple[str, ...]) -> tuple[Window, ...]:
    return tuple(parse_window(text) for text in texts)


def _listed(texts: tuple[str, ...]) -> str:
    return ", ".join(f'"{text}"' for text in texts)
