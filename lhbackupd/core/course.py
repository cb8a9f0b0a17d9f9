"""What is expected of one run while a forecast is played, and what becomes of one that gets no place."""

from dataclasses import dataclass
from datetime import datetime

from .admission import Slot
from .cluster import Setting, Volume
from .eligibility import needs_setting, refusal, suspension
from .model import Outcome, Policy, Run
from .outlook import Outlook, Planned
from .placement import nowhere

_NOWHERE = Slot(node="", target="")


@dataclass(slots=True)
class Course:
    """What is expected of one run, as far as it has been played."""

    run: Run
    start: datetime | None = None
    #: None before it begins, and where nobody knows
    end: datetime | None = None
    slot: Slot = _NOWHERE
    outcome: Outcome | None = None
    reason: str = ""
    overruns: datetime | None = None
    put_off: bool = False

    def planned(self) -> Planned:
        return Planned(
            policy=self.run.policy,
            volume=self.run.volume,
            due=self.run.due,
            start=self.start,
            end=self.end,
            node=self.slot.node,
            target=self.slot.target,
            outcome=self.outcome,
            reason=self.reason,
            overruns=self.overruns,
            put_off=self.put_off,
        )


def fate(
    volume: Volume | None, policy: Policy | None, outlook: Outlook, where: tuple[str, ...]
) -> tuple[Outcome | None, str]:
    """How a run ends that gets no place, or None and why it waits; without words it lines up for a node of `where`."""
    if policy is None:
        return Outcome.GONE, "its policy is no longer configured"
    if volume is None:
        return None, "waits until Longhorn lists the volume again"
    if not volume.attached:
        if needs_setting(policy) and outlook.setting is Setting.UNREAD:
            return None, "waits until Longhorn's setting can be read"
        if why := suspension(policy, outlook.setting):
            return Outcome.SUSPENDED, why
    if no := refusal(volume, policy):
        return Outcome.REFUSED, no.reason
    return None, "" if where else f"waits: {nowhere(volume, outlook.nodes)}"
