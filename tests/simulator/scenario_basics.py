"""Recordings 001 to 123: root, settings, nodes, volumes, tickets."""

from tests.simulator.replaying import Replay


async def root_and_settings(r: Replay) -> None:
    for name in (
        "036-backuptarget-get", "035-backuptargets", "039-backuptarget-missing", "032-node-missing",
        "031-node-get",
        "030-nodes-list", "033-engineimages", "034-instancemanagers", "037-events", "038-disktags",
        "001-get-root", "002-get-v1", "003-get-schemas", "004-get-schema-volume",
        "005-get-schema-attachInput",
        "006-get-apiversions", "007-unknown-path", "008-method-not-allowed", "009-v1-trailing-slash",
        "023-setting-int-invalid", "022-setting-readonly-put", "021-setting-put-garbage-json",
        "020-setting-unknown-put", "019-setting-unknown-get", "010-settings-list", "011-setting-get",
        "012-setting-put-true", "014-setting-put-invalid", "015-setting-put-bool-type",
        "016-setting-put-empty-body",
        "017-setting-get-after-empty", "013-setting-put-false-full-body", "018-setting-put-back",
        "802-authorization-ignored", "803-x-forwarded", "401-recurringjob-create",
    ):  # fmt: skip
        await r.play(name)


async def volumes(r: Replay) -> None:
    for name in ("040-volumes-empty", "041-volume-missing", "053-volumes-trailing-action-unknown"):
        await r.play(name)
    await r.play("051-volume-create-1Gi", loose=("conditions",))
    r.pass_time(1)
    await r.play("042-volume-create", loose=("conditions",))
    r.pass_time(0.02)
    await r.play("043-volume-just-created")
    r.pass_time(1)
    for name in (
        "044-volume-detached", "045-volume-create-duplicate", "046-volume-create-bad-name",
        "048-volume-create-size-number", "049-volume-create-bad-locality", "052-volumes-several",
        "054-volume-action-missing-volume-attach",
    ):  # fmt: skip
        await r.play(name)
    await r.play("055-volume-create-huge-unschedulable", loose=("conditions",))
    r.pass_time(1)
    for name in (
        "056-volume-unschedulable", "057-attach-unschedulable", "058-volume-delete",
        "059-volume-delete-missing",
    ):  # fmt: skip
        await r.play(name)


async def tickets(r: Replay) -> None:
    await r.make("volc-a-z")
    await r.make("volc-b-z", numberOfReplicas=1)
    await r.play("100-attach-disablefrontend", loose=("conditions",))
    r.pass_time(0.1)
    await r.play("101-volume-attaching")
    r.pass_time(2)
    await r.play("102-volume-attached-just-now")
    r.pass_time(6)
    for name in ("103-volume-attached-healthy", "104-attach-same-again", "105-attach-missing-node"):
        await r.play(name)
    for name in (
        "106-attach-other-node-second-ticket", "107-volume-second-ticket-unsatisfied",
        "108-detach-second-ticket",
        "109-attach-same-node-frontend-enabled", "110-volume-frontend-ticket-unsatisfied",
        "111-detach-frontend-ticket", "112-attach-no-attachmentid",
        "114-detach-empty-body-removes-empty-ticket",
        "115-volume-after-empty-detach", "116-attach-unknown-attacher-type",
    ):  # fmt: skip
        await r.play(name)
        r.pass_time(0.3)
    await r.act("volc-a-z", "detach", attachmentID="own-1")
    r.pass_time(0.3)
    for name in (
        "118-attach-empty-body", "120-volumeattachments-list", "121-volumeattachment-get",
        "122-volumeattachment-missing", "123-delete-attached-volume",
    ):  # fmt: skip
        await r.play(name)


async def details(r: Replay) -> None:
    await r.make("volc-h-z", numberOfReplicas=1)
    for name in ("800-accept-html", "801-accept-any", "804-list-limit-ignored", "805-list-filter-ignored"):
        await r.play(name)
    await r.play("808-attach-disableFrontend-string")
    await r.play("806-post-text-plain", loose=("error",))
    r.pass_time(0.4)
    await r.play("807-post-unknown-field", loose=("conditions",))
    await r.play("842-snapshotBackup-of-deleted-volume")


async def detaching(r: Replay) -> None:
    await r.make("volc-d-z")
    await r.attach("volc-d-z", NODE, "bk-1", wait=9)
    for name in (
        "300-detach-wrong-id", "301-volume-after-wrong-id", "302-detach-empty-json", "303-detach-no-body",
        "304-volume-after-empty-detach", "309-detach-missing-volume", "305-detach-right-id-wrong-host",
    ):  # fmt: skip
        await r.play(name)
    r.pass_time(0.2)
    await r.play("306-volume-detaching")
    r.pass_time(3)
    await r.play("307-volume-detached")
    await r.play("308-detach-detached-volume")
    await r.attach("volc-d-z", NODE, "bk-1", wait=9)
    await r.play("310-force-detach")
    r.pass_time(3)
    await r.play("311-volume-after-force-detach")
    await r.attach("volc-d-z", NODE, "bk-1", wait=0.07)
    await r.play("312-detach-while-attaching", loose=("state", "disableFrontend"))
    r.pass_time(3)
    await r.play("320-snapshotCreate-detached")
    for name in ("321-snapshotList-detached", "322-snapshotCRList-detached", "323-snapshotPurge-detached"):
        await r.play(name)
    await r.play("324-snapshotDelete-detached")
    await r.play("325-snapshotCRCreate-detached")
    r.pass_time(0.3)
    await r.play("326-volume-auto-attached-by-snapshot-controller")
    r.pass_time(7)
    await r.play("327-snapshotCRGet-ready")
    r.pass_time(4)
    await r.play("328-snapshotCRGet-after-auto-detach")
    await r.play("329-snapshotBackup-detached")
    r.pass_time(2.5)
    await r.play("330-volume-auto-attached-by-backup-controller")
    r.pass_time(4.2)
    await r.play("331-volume-backup-done", loose=("mode",))
    r.pass_time(9)
    await r.play("332-snapshotCRDelete-detached")
    r.pass_time(0.3)
    await r.play("333-snapshotCRList-after")


NODE = "node-2"
