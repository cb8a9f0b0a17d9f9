"""What all sections of the configuration have in common: the types of their keys, and that unknown keys are faults."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from pydantic_core import PydanticCustomError

from lhbackupd.config import values

Size = Annotated[int, BeforeValidator(values.read_size), PlainSerializer(values.write_size)]
Flag = Annotated[bool, BeforeValidator(values.read_flag)]
Label = Annotated[str, BeforeValidator(values.read_label)]
Globs = Annotated[tuple[str, ...], BeforeValidator(values.read_globs)]
Windows = Annotated[tuple[str, ...], BeforeValidator(values.read_windows)]
Reason = Annotated[str, BeforeValidator(values.read_reason)]
FilePath = Annotated[Path, BeforeValidator(values.read_file_path)]
Amount = Annotated[int, values.whole_number(1, 10_000)]
#: how long a ticket lives: long enough to be renewed in time, short enough to wait for
Lease = Annotated[timedelta, values.duration("1m", "1d"), PlainSerializer(values.write_duration)]
#: how far back retention reaches without thinning out
Within = Annotated[timedelta, values.duration("1h", "3650d"), PlainSerializer(values.write_duration)]
#: for how long data may be unprotected
Objective = Annotated[timedelta, values.duration("1m", "3650d"), PlainSerializer(values.write_duration)]
Span = Annotated[timedelta, values.duration("1s", "7d"), PlainSerializer(values.write_duration)]
History = Annotated[timedelta, values.duration("1d", "3650d"), PlainSerializer(values.write_duration)]


class Section(BaseModel):
    """What all sections have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def conflict(found: str, allowed: str) -> PydanticCustomError:
    """Two keys of a section that do not go together."""
    return PydanticCustomError("conflict", "{allowed}", {"found": found, "allowed": allowed})
