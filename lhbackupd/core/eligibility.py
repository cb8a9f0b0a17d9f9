"""Which volumes must not be touched, each for a reason of its own.

Never attach what is not plainly detached and sound: a wrong attach can place a replica, start a rebuild or fail over a
standby volume. Every rule answers with words, and with whether waiting may help.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .cluster import Setting, Volume
from .model import Detached, Policy


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a volume is left alone."""

    reason: str
    #: whether it may be backed up later without anybody changing the volume's configuration
    can_pass: bool


def refusal(volume: Volume, policy: Policy) -> Refusal | None:
    """The first reason not to back up `volume`, attached or not; None where there is none."""
    reasons = _always(volume) if volume.attached else _detached(volume, policy)
    return next(reasons, None)


def _always(volume: Volume) -> Iterator[Refusal]:
    if volume.standby:
        yield Refusal("it is a standby (disaster recovery) volume: its data is in another cluster's backups", False)
    if volume.restoring:
        yield Refusal("it is being restored from a backup", True)
    if volume.robustness == "faulted":
        yield Refusal("it is faulted: no replica can be used; salvage a replica first", True)
    if len(volume.engines) > 1:
        yield Refusal("it has more than one engine: it is migrating", True)
    if any(engine.expanding for engine in volume.engines):
        yield Refusal("it is being expanded", True)
    if volume.too_many_snapshots:
        yield Refusal("it has reached its snapshot limit; delete snapshots, or raise snapshotMaxCount", True)


def _detached(volume: Volume, policy: Policy) -> Iterator[Refusal]:
    yield from _always(volume)
    if not volume.image_ready:
        yield Refusal("its engine image is not ready", True)
    if volume.data_engine != "v1" and not policy.allow_v2:
        yield Refusal(f"it is on data engine {volume.data_engine}; allow_v2 = true allows that", False)
    if not volume.scheduled:
        yield Refusal("Longhorn could not schedule its replicas", True)
    if not any(replica.node for replica in volume.replicas):
        where = "" if volume.data_locality == "disabled" else f" and data locality {volume.data_locality}"
        yield Refusal(
            f"it was never attached: it holds no data{where}, and the first attach decides where its replicas go", False
        )
    elif all(replica.failed for replica in volume.replicas if replica.node):
        yield Refusal("all its replicas have failed", True)


def suspension(policy: Policy, setting: Setting) -> str | None:
    """Why a detached volume stays detached: the words, or None where it may be attached.

    Call it with a setting that was read, or with a policy that does not need it (`needs_setting`).
    """
    name = "allow-recurring-job-while-volume-detached"
    match policy.detached, setting:
        case Detached.ALWAYS, _:
            return None
        case Detached.NEVER, _:
            return f'detached, and policy {policy.name} says detached = "never"'
        case _, Setting.ALLOWED:
            return None
        case _, Setting.ABSENT:
            return f'detached, and this Longhorn has no setting {name}; detached = "always" would back it up'
        case _:
            return f"detached, and Longhorn's setting {name} is false"


def needs_setting(policy: Policy) -> bool:
    """Whether the policy follows Longhorn's setting, so that it must be read first."""
    return policy.detached is Detached.FOLLOW_SETTING
