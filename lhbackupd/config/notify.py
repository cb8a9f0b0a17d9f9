"""The `[notify]` section: where people are told of troubles, and when they get the daily digest.

Whether Apprise, which does the sending, takes each URL is not asked here: to load it takes a second or two, and most
commands do not need it.
"""

from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from lhbackupd.config import values
from lhbackupd.config.secrets import Channel, read_channels, read_channels_file
from lhbackupd.config.section import Section, Span
from lhbackupd.core.timetable import parse_zone

#: what to do where Apprise is missing
INSTALL = "notifications need Apprise, which is not installed: pip install 'lhbackupd[notify]'"


def _read_urls_file(value: object) -> Path:
    path = read_channels_file(value)
    if find_spec("apprise") is None:
        raise ValueError(INSTALL)
    return path


class Notify(Section):
    """Who is told of failures, recoveries, violated RPOs and uncovered volumes, and gets the daily digest."""

    urls_file: Annotated[Path, BeforeValidator(_read_urls_file)] | None = Field(
        default=None,
        examples=["/etc/lhbackupd/notify"],
        description="File with an Apprise URL on each line, or name=URL; secrets stand only there. Without it nobody is"
        " told. Wants the extra: pip install 'lhbackupd[notify]'. Try it with lhbackupd notify test.",
    )
    digest: Annotated[str, BeforeValidator(values.read_time_of_day)] = Field(
        default="08:00", description='Time of day of the daily digest, or "off".'
    )
    timezone: Annotated[str, values.checked(parse_zone)] = Field(
        default="UTC", description="IANA name of the zone that digest is meant in."
    )
    every: Span = Field(
        default=timedelta(minutes=1),
        description="Duration. A channel gets at most one message in so long; what happens meanwhile comes together"
        " in the next one.",
    )

    def channels(self) -> tuple[Channel, ...]:
        """Where notifications go. Raises ValueError if the file has become unusable."""
        return read_channels(self.urls_file) if self.urls_file else ()

    def url(self, name: str) -> str:
        """The URL of a channel as its file has it now. Raises ValueError if it is no longer there."""
        for channel in self.channels():
            if channel.name == name:
                return channel.url
        raise ValueError(f"a file with a URL for {name}, which it had at start")
