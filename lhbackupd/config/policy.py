"""The `[[policy]]` section: which volumes are backed up when, and how.

Defaults are those of the core's own values; `value` turns what was written into them.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from lhbackupd.config import secrets, values
from lhbackupd.config.section import Amount, Flag, Globs, Label, Section, Size, Span, Within
from lhbackupd.core import model
from lhbackupd.core.notices import OF_POLICY, Kind
from lhbackupd.core.timetable import parse_cron, parse_zone

_DEFAULT = model.Policy(name="default", cron="0 2 * * *")
_PATIENCE = model.Patience()


class MatchSection(Section):
    """Keys AND, values OR."""

    name: Globs = Field(default=(), description="names of volumes")
    namespace: Globs = Field(default=(), description="namespaces of their PVCs")
    pvc: Globs = Field(default=(), description="names of their PVCs")
    group: Globs = Field(default=(), description='recurring-job groups; a volume without jobs belongs to "default"')


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

    def value(self) -> model.Keep | None:
        """The rules; None where there are none, and all stay."""
        written = self.model_dump(exclude_none=True)
        if not written.keys() - {"minimum"}:
            return None
        return model.Keep(**written)


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
    match: MatchSection = Field(
        default_factory=MatchSection,
        examples=[{"name": ["pvc-*"], "namespace": ["shop"], "pvc": ["db-*"], "group": ["nightly"]}],
        description="Which volumes; without it all. Every key must fit, of a key's values one; * ? [a-z] are globs.",
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
    keep: KeepSection = Field(
        default_factory=KeepSection,
        description="Which completed backups of this policy stay; without it all. The newest is never deleted.",
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

    def value(self) -> model.Policy:
        """The policy that decisions are made with."""
        return model.Policy(
            name=self.name,
            cron=self.cron,
            timezone=self.timezone,
            match=model.Match(**self.match.model_dump()),
            detached=self.detached,
            give_way_after=values.give_way_after(self.on_workload),
            min_new_bytes=self.min_new_bytes,
            skip_unchanged_attached=self.skip_unchanged_attached,
            allow_v2=self.allow_v2,
            keep=self.keep.value(),
            patience=self.patience.value(),
            notify=self.notify,
            ping_url_file=self.ping_url_file,
        )
