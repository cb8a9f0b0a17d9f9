"""Sizes, times and texts as Longhorn writes them.

Sizes are strings in volumes, snapshots and backups and numbers in snapshot CRs; a size that is neither makes the whole
answer worthless, since a size decides whether there is new data. Times are for people and for "protected since": one
that cannot be read is unknown (None), never a guess.
"""

from datetime import UTC, datetime

from lhbackupd.longhorn.errors import WrongShape, visible

#: what no volume is larger than, and the largest number that a database column holds
LARGEST = 2**63 - 1

#: how Go prints a time that was never set
GO_ZERO_YEAR = 1


def size(value: int | str | None, of: str) -> int:
    """Bytes; empty is 0 (a backup that has not ended). Raises WrongShape with `of`, the field's name."""
    if value is None or value == "":
        return 0
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(LARGEST))):
            raise WrongShape(f"{of} is not a size: {visible(value)}")
        value = int(value)
    if not 0 <= value <= LARGEST:
        raise WrongShape(f"{of} is out of range")
    return value


def moment(text: str) -> datetime | None:
    """RFC 3339, or `2026-11-22 11:31:01 +0000 UTC` as volumes have it (recordings 042, 044), in UTC."""
    words = text.split(" ")
    if len(words) == 4:  # noqa: PLR2004 -- date, time, offset, zone name: Go's time.String()
        text = f"{words[0]}T{words[1]}{words[2]}"
    try:
        when = datetime.fromisoformat(text)
        if when.tzinfo is None or when.year <= GO_ZERO_YEAR:
            return None
        return when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
