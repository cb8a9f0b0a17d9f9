"""Recordings 200 to 295, 340 to 342: snapshots and backups of an attached volume."""

from tests.simulator.replaying import Replay

MIB = 2**20
A = "volc-a-z"


async def snapshots(r: Replay) -> None:
    await r.make(A)
    await r.attach(A, "node-3", "client-1", wait=8)
    for name in (
        "200-snapshotList-initial", "201-snapshotCRList-initial", "202-snapshotCreate",
        "203-snapshotCRList-right-after", "204-snapshotBackup-too-early-race",
    ):  # fmt: skip
        await r.play(name)
    r.pass_time(5)
    for name in (
        "205-snapshotCRList-cr-appeared", "206-snapshotGet", "207-snapshotGet-missing",
        "208-snapshotGet-volume-head",
        "209-snapshotCRGet", "210-snapshotCRGet-missing", "211-snapshotCRCreate",
        "212-snapshotCRGet-right-after",
    ):  # fmt: skip
        await r.play(name)
    r.pass_time(6)
    await r.play("213-snapshotCRGet-ready")
    await r.play("214-snapshotCRCreate-duplicate")
    unnamed = await r.play("216-snapshotCreate-no-name")
    r.alias["f3e3327e-d213-4423-8a05-bbf9d3c5da8d"] = unnamed["name"]
    await r.play("217-snapshotCreate-bad-label")
    await r.play("219-snapshotCRCreate-bad-name")
    await r.sim(f"volumes/{A}/write", bytes=7 * MIB, force=True)
    await r.play("220-snapshotList-after-10MiB-written")
    await r.play("221-volume-right-after-write")
    await r.play("222-snapshotCRList-after-write")
    r.pass_time(5)
    await r.play("223-volume-actualSize-updated", also=lambda v: v["controllers"][0]["actualSize"] == str(7 * MIB))
    await r.play("224-snapshotCreate-after-write", also=lambda s: s["size"] == str(7 * MIB))
    await r.play("225-snapshotList-head-empty-again")
    r.pass_time(5.1)
    await r.play("226-snapshotCRGet-snap-2-size", also=lambda s: s["size"] == 7 * MIB)
    await backups(r)


async def backups(r: Replay) -> None:
    await r.sim(f"volumes/{A}/timing", backup=9)
    asked = await r.play("230-snapshotBackup")
    first = asked["backupStatus"][0]["id"]
    r.alias["backup-5a3e32666edb4ab3"] = first
    r.pass_time(0.4)
    await r.play("231-volume-backup-pending")
    r.pass_time(4)
    await r.play("232-volume-backup-inprogress")
    r.pass_time(5.84)
    await r.play("233-volume-backup-completed")
    listed = await r.play("240-backupvolumes-list")
    r.alias["rec-a-c7e65643"] = listed["data"][0]["id"]
    r.pass_time(4)
    for name in (
        "241-backupvolumes-list-filled", "242-backupvolume-get", "243-backupvolume-get-by-volume-name",
        "244-backupvolume-missing", "245-backupList", "246-backupList-by-volume-name",
        "247-backupListByVolume",
        "248-backupListByVolume-without-name", "249-backupGet", "250-backupGet-missing",
        "251-backupListByVolume-missing", "252-snapshotBackup-missing-snapshot", "253-snapshotBackup-no-name",
    ):  # fmt: skip
        await r.play(name)
    await r.sim(f"volumes/{A}/write", bytes=13 * MIB, force=True)
    await r.act(A, "snapshotCreate", name="shot-3")
    r.pass_time(6)
    await r.sim("faults", kind="backup-error-at", percent=47, message="disk is on fire")
    await r.play("260-snapshotBackup-will-fail")
    r.pass_time(9)
    await r.play("261-volume-backup-error")
    await r.sim("faults", kind="backup-error-at-start")
    await r.act(A, "snapshotBackup", name="shot-3")
    r.pass_time(2)
    await r.play("264-snapshotBackup-first-of-two", loose=("attachments",))
    await r.play("265-snapshotBackup-second-of-two", loose=("attachments",))
    r.pass_time(18)
    await outages(r)
    await deletions(r)


async def outages(r: Replay) -> None:
    await r.sim("targets/default", available=False)
    await r.play("270-backuptarget-unavailable", loose=("message",))
    await r.play("271-snapshotBackup-target-unavailable")
    await r.play("272-backupvolumes-while-unavailable")
    await r.play("273-volume-while-target-unavailable")
    await r.sim("targets/default", available=True)
    await r.play("274-backuptarget-back")
    await r.play("274b-backupTargetSync-ok")
    await r.play("275-backupTargetSync-again-too-soon")


async def deletions(r: Replay) -> None:
    await r.play("280-backupDelete")
    await r.play("281-backupList-after-delete")
    r.pass_time(3)
    await r.play("282-backupList-3s-after-delete")
    await r.play("283-backupDelete-missing")
    await r.play("284-snapshotDelete")
    await r.play("285-snapshotDelete-missing")
    await r.play("286-snapshotList-after-delete")
    await r.play("287-snapshotPurge", loose=("state",))
    r.pass_time(0.5)
    await r.play("288-snapshotList-after-purge")
    await r.play("289-snapshotCRDelete")
    await r.play("290-snapshotCRList-deleting")
    r.pass_time(5.2)
    await r.play("291-snapshotCRList-deleted", also=lambda s: "shotcr-1" not in [cr["name"] for cr in s["data"]])
    await r.play("292-snapshotCRDelete-missing")
    await r.play("293-snapshotCRDelete-newest")
    r.pass_time(5.2)
    await r.play("294-snapshotList-newest-deleted")
    await r.play("295-snapshotCRList-newest-deleted")


async def handed_over(r: Replay) -> None:
    d = "volc-d-z"
    await r.make(d)
    await r.attach(d, "node-2", "bk-1", wait=8)
    await r.sim(f"volumes/{d}/write", bytes=20 * MIB, force=True)
    await r.snapshot(d, "rec-0")
    await r.act(d, "snapshotBackup", name="rec-0")
    r.pass_time(12)
    await r.sim(f"volumes/{d}/write", bytes=20 * MIB, force=True)
    await r.snapshot(d, "d-2")
    await r.sim(f"volumes/{d}/timing", backup=10)
    await r.act(d, "snapshotBackup", name="d-2")
    r.pass_time(4.3)
    await r.play("340-detach-during-backup")
    r.pass_time(2)
    await r.play("341-volume-detach-during-backup", loose=("attachments", "state"))
    r.pass_time(12)
    await r.play("342-volume-after")
