"""Which volumes: `match` and `exclude` of a policy, and the `[[exclude]]` sections.

All three are read alike: every key must fit, of a key's values one. What can never fit is a fault, with the words that
say what to write instead. Kubernetes labels of volumes are not in Longhorn's API, but for those of recurring jobs and
their groups; so other labels are faults, and a group of one's own does what they would.
"""

import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from lhbackupd.config.fault import quote
from lhbackupd.config.section import Globs, Reason, Section, Size, conflict
from lhbackupd.config.values import read_globs
from lhbackupd.core import model
from lhbackupd.core.recurring import GROUP_LABEL, JOB_LABEL

#: what names in Kubernetes are made of, and globs
_NAME = re.compile(r"[a-z0-9.*?\[\]!-]+", re.ASCII)
_LONGEST_NAME = 253
_LABELS = (JOB_LABEL, GROUP_LABEL)
_ACCESS_MODES, _DATA_ENGINES = ("rwo", "rwx", "rwop"), ("v1", "v2")


def _read_names(value: object) -> tuple[str, ...]:
    globs = read_globs(value)
    if wrong := next((glob for glob in globs if not _NAME.fullmatch(glob) or len(glob) > _LONGEST_NAME), None):
        raise ValueError(f'{quote(wrong)} can fit no name: lower-case letters, digits, "-", "." and globs')
    return globs


def _read_labels(value: object) -> tuple[str, ...]:
    globs = read_globs(value)
    if wrong := next((glob for glob in globs if not glob.startswith(_LABELS) or "=" in glob), None):
        raise ValueError(
            f'{quote(wrong)} is unknown; "{GROUP_LABEL}NAME" or "{JOB_LABEL}NAME", without a value: Longhorn shows no'
            " other labels of volumes; to mark them, put them into a recurring-job group of your own, without a job"
        )
    return globs


def _some_of(*allowed: str) -> BeforeValidator:
    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not value or not all(one in allowed for one in value):
            raise ValueError("a list of some of " + ", ".join(f'"{word}"' for word in allowed))
        return tuple(value)

    return BeforeValidator(read)


class MatchSection(Section):
    """Keys AND, values OR."""

    name: Annotated[Globs, BeforeValidator(_read_names)] = Field(default=(), description="names of volumes")
    namespace: Annotated[Globs, BeforeValidator(_read_names)] = Field(
        default=(), description="namespaces of their PVCs"
    )
    pvc: Annotated[Globs, BeforeValidator(_read_names)] = Field(default=(), description="names of their PVCs")
    group: Globs = Field(default=(), description='recurring-job groups; a volume without jobs belongs to "default"')
    label: Annotated[Globs, BeforeValidator(_read_labels)] = Field(
        default=(),
        description=f'labels "{GROUP_LABEL}NAME" and "{JOB_LABEL}NAME", the only ones that Longhorn\'s API shows',
    )
    access_mode: Annotated[tuple[str, ...], _some_of(*_ACCESS_MODES)] = Field(
        default=(), description="of rwo, rwx, rwop"
    )
    data_engine: Annotated[tuple[str, ...], _some_of(*_DATA_ENGINES)] = Field(default=(), description="of v1, v2")
    min_size: Size | None = Field(default=None, description="size that the volume offers at least")
    max_size: Size | None = Field(default=None, description="at most")

    @model_validator(mode="after")
    def _can_fit(self) -> Self:
        if self.min_size is not None and self.max_size is not None and self.min_size > self.max_size:
            raise conflict("min_size above max_size, which no volume fits", "min_size at most as large as max_size")
        return self

    def value(self) -> model.Match:
        """What is matched by; one that is empty fits every volume."""
        return model.Match(**{name: getattr(self, name) for name in MatchSection.model_fields})

    def leaves_nothing_of(self, other: "MatchSection") -> bool:
        """Whether every volume that fits `other` plainly fits this as well, which is written at all."""
        mine, its = self.value(), other.value()
        return mine != model.Match() and all(
            _holds(key, getattr(mine, key), getattr(its, key)) for key in MatchSection.model_fields
        )


def _holds(key: str, wide: Any, narrow: Any) -> bool:
    """Whether the values `wide` of a key fit wherever `narrow` do; no values fit everywhere."""
    match key:
        case "min_size":
            return (wide or 0) <= (narrow or 0)
        case "max_size":
            return wide is None or (narrow is not None and narrow <= wide)
        case _:
            return (
                not wide
                or (bool(narrow) and (set(narrow) <= set(wide) or "*" in wide))
                or (wide, key) == (("*",), "name")
            )


class ExcludeSection(MatchSection):
    """Volumes that no policy backs up, on purpose: they are shown with the reason, and never as uncovered.

    Keys are those of a policy's match, at least one of them.
    """

    reason: Reason = Field(description="Why, for whoever reads the status.")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.value() == model.Match():
            raise conflict("no key but reason, which would exclude every volume", "which volumes, as in a match")
        return self

    def exclude(self) -> model.Exclude:
        """The value that decisions are made with."""
        return model.Exclude(match=self.value(), reason=self.reason)
