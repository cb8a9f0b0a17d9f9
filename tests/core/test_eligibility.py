"""Which volumes are left alone, each with its reason."""

from dataclasses import replace

import pytest

from lhbackupd.core.cluster import Engine, Replica, Setting, Volume
from lhbackupd.core.eligibility import needs_setting, refusal, suspension
from lhbackupd.core.model import Detached, Policy

from .examples import POLICY, attached, detached, pod_ticket

ENGINE = Engine(node="node-1", running=True)

ALWAYS = [
    ({"standby": True}, "standby", False),
    ({"restoring": True}, "being restored", True),
    ({"robustness": "faulted"}, "faulted", True),
    ({"engines": (ENGINE, replace(ENGINE, node="node-2"))}, "migrating", True),
    ({"engines": (replace(ENGINE, expanding=True),)}, "expanded", True),
    ({"too_many_snapshots": True}, "snapshot limit", True),
]
WHEN_DETACHED = [
    ({"image_ready": False}, "engine image", True),
    ({"data_engine": "v2"}, "data engine v2", False),
    ({"scheduled": False}, "schedule its replicas", True),
    ({"replicas": (Replica(name="r", node=""),), "data_locality": "best-effort"}, "best-effort", False),
    ({"replicas": (Replica(name="r", node=""),), "data_locality": "strict-local"}, "strict-local", False),
    ({"replicas": ()}, "never attached", False),
    ({"replicas": (Replica(name="r", node="node-1", failed=True),)}, "have failed", True),
]


@pytest.mark.parametrize(("changes", "words", "can_pass"), [*ALWAYS, *WHEN_DETACHED])
def test_a_detached_volume_is_refused_with_its_own_reason(
    changes: dict[str, object], words: str, can_pass: bool
) -> None:
    no = refusal(detached(**changes), POLICY)
    assert no is not None
    assert words in no.reason
    assert no.can_pass is can_pass


@pytest.mark.parametrize(("changes", "words", "can_pass"), ALWAYS)
def test_an_attached_volume_is_refused_for_what_makes_a_backup_wrong(
    changes: dict[str, object], words: str, can_pass: bool
) -> None:
    no = refusal(attached(**changes), POLICY)
    assert no is not None
    assert words in no.reason
    assert no.can_pass is can_pass


@pytest.mark.parametrize("changes", [changes for changes, _, _ in WHEN_DETACHED])
def test_an_attached_volume_is_not_refused_for_what_only_makes_an_attach_wrong(changes: dict[str, object]) -> None:
    assert refusal(attached(**changes), POLICY) is None


@pytest.mark.parametrize(
    "volume",
    [
        detached(),
        attached(pod_ticket(node="node-1")),
        detached(replicas=(Replica(name="a", node="node-1", failed=True), Replica(name="b", node="node-2"))),
        detached(data_locality="best-effort"),
    ],
)
def test_a_sound_volume_is_not_refused(volume: Volume) -> None:
    assert refusal(volume, POLICY) is None


def test_a_policy_may_allow_the_v2_engine() -> None:
    assert refusal(detached(data_engine="v2"), replace(POLICY, allow_v2=True)) is None


@pytest.mark.parametrize(
    ("how", "setting", "words"),
    [
        (Detached.FOLLOW_SETTING, Setting.ALLOWED, None),
        (Detached.FOLLOW_SETTING, Setting.FORBIDDEN, "is false"),
        (Detached.FOLLOW_SETTING, Setting.ABSENT, "has no setting"),
        (Detached.ALWAYS, Setting.FORBIDDEN, None),
        (Detached.ALWAYS, Setting.UNREAD, None),
        (Detached.NEVER, Setting.ALLOWED, '"never"'),
        (Detached.NEVER, Setting.UNREAD, '"never"'),
    ],
)
def test_setting_and_policy_say_whether_a_detached_volume_is_attached(
    how: Detached, setting: Setting, words: str | None
) -> None:
    policy: Policy = replace(POLICY, detached=how)
    why = suspension(policy, setting)
    assert (why is None) is (words is None)
    assert (words or "") in (why or "")


def test_only_a_policy_that_follows_the_setting_needs_it() -> None:
    needing = [how for how in Detached if needs_setting(replace(POLICY, detached=how))]
    assert needing == [Detached.FOLLOW_SETTING]
