"""The rules in force: what of a configuration a reload may change."""

from collections.abc import Mapping
from dataclasses import dataclass

from lhbackupd.core.model import Exclude, Limits, Policy
from lhbackupd.core.retry import Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may change with a reload of the configuration."""

    policies: Mapping[str, Policy]
    limits: Limits
    retry: Retry
    excludes: tuple[Exclude, ...] = ()
