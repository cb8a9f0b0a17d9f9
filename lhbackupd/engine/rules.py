"""The rules in force: what of a configuration a reload may change."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lhbackupd.core.model import Exclude, Limits, Policy
from lhbackupd.core.retry import Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may change with a reload of the configuration."""

    policies: Mapping[str, Policy]
    limits: Limits
    retry: Retry
    excludes: tuple[Exclude, ...] = ()

    def following(self, before: "Rules") -> "Rules":
        """These after `before`, with the policies that say the same as the same objects.

        What was made from one of them is known to hold on without comparing them, for each of thousands of volumes.
        """
        known = before.policies
        kept = {name: known[name] if known.get(name) == policy else policy for name, policy in self.policies.items()}
        return replace(self, policies=kept)
