"""Longhorn's RecurringJobs: resources, and the jobs and groups of a volume."""

import re

from lhbackupd.simulator import cron, generation, provision, recurring, wire
from lhbackupd.simulator.api_volumes import find
from lhbackupd.simulator.call import EMPTY, Answer, Call
from lhbackupd.simulator.gojson import Struct
from lhbackupd.simulator.model import RecurringJob
from lhbackupd.simulator.refusal import Refusal, missing, unsupported

JOB = Struct(
    "RecurringJob",
    {
        "name": "string", "task": "string", "cron": "string", "retain": "int", "concurrency": "int",
        "groups": "[]string", "labels": "map[string]string", "parameters": "map[string]string",
        "retainAge": "string",
        "retentionPolicy": "string",
    },
)  # fmt: skip
MEMBER = Struct("VolumeRecurringJobInput", {"name": "string", "isGroup": "bool"})
TASKS = (
    "snapshot", "snapshot-force-create", "snapshot-cleanup", "snapshot-delete", "backup",
    "backup-force-create",
    "filesystem-trim", "system-backup",
)  # fmt: skip
DENIED = 'admission webhook "validator.longhorn.io" denied the request: '
AGE = re.compile(r"(?:[0-9.]+(?:h|m|s|ms))+|0s?|")
LONGEST = 48


def read_job(call: Call, doing: str) -> RecurringJob:
    """The job of a request's body, checked."""
    body = call.read(JOB)
    name = body["name"]
    try:
        provision.check_name("RecurringJob", name)
        if body["task"] not in TASKS:
            listed = ", ".join(f'"{task}"' for task in TASKS)
            words = f'spec.task: Unsupported value: "{body["task"]}": supported values: {listed}'
            raise Refusal(f'RecurringJob.longhorn.io "{name}" is invalid: {words}')  # noqa: TRY301 -- told here, worded below
        _check(call, body)
    except Refusal as refusal:
        raise Refusal(f"{doing} {name}: {refusal.message}", refusal.status) from None
    return RecurringJob(
        name, body["task"], body["cron"], max(1, body["retain"]), max(1, body["concurrency"]),
        body["groups"] or [],
        body["labels"] or {}, body["parameters"] or {}, body["retainAge"] or "0s",
        body["retentionPolicy"] or "count-based",
    )  # fmt: skip


def _check(call: Call, body: dict[str, object]) -> None:
    limit = int(call.world.settings["recurring-job-max-retention"])
    if len(str(body["name"])) > LONGEST:
        raise Refusal(f"{DENIED}job name {body['name']} must be {LONGEST} characters or less")
    if int(str(body["retain"])) > limit:
        raise Refusal(f"{DENIED}retain value should be less than or equal to {limit}")
    try:
        cron.parse(str(body["cron"]))
    except Refusal as refusal:
        raise Refusal(f"{DENIED}{refusal.message}") from None
    if body["retentionPolicy"] not in {"", "count-based", "age-based"}:
        raise Refusal(f"{DENIED}invalid retention policy: {body['retentionPolicy']}")
    if not AGE.fullmatch(str(body["retainAge"])):
        raise Refusal(f'time: invalid duration "{body["retainAge"]}"')


def job_list(call: Call) -> Answer:
    """All jobs."""
    data = [wire.job(call.base, job) for _, job in sorted(call.world.jobs.items())]
    return Answer(body=wire.collection(call.url, "recurringJob", data))


def job_get(call: Call) -> Answer:
    """One job."""
    job = call.world.jobs.get(call.name)
    if job is None:
        raise missing("recurringjob", call.name, f"failed to get recurring job policy '{call.name}': ")
    return Answer(body=wire.job(call.base, job))


def job_create(call: Call) -> Answer:
    """POST to the collection."""
    if generation.single(call.world):
        raise unsupported("run the jobs of a release before 1.5")
    job = read_job(call, "failed to create recurring job")
    if job.name in call.world.jobs:
        raise Refusal(
            f'failed to create recurring job {job.name}: recurringjobs.longhorn.io "{job.name}" already exists'
        )
    recurring.add(call.world, job)
    return Answer(body=wire.job(call.base, job))


def job_update(call: Call) -> Answer:
    """PUT."""
    old = call.world.jobs.get(call.name)
    if old is None:
        raise missing("recurringjob", call.name, f"failed to update recurring job {call.name}: ")
    job = read_job(call, "failed to update recurring job")
    job.executions = old.executions
    recurring.add(call.world, job)
    return Answer(body=wire.job(call.base, job))


def job_delete(call: Call) -> Answer:
    """DELETE."""
    if call.name not in call.world.jobs:
        words = f'recurringjobs.longhorn.io "{call.name}" not found'
        raise Refusal(f"failed to delete recurring job {call.name}: {words}", 404)
    recurring.remove(call.world, call.name)
    return EMPTY


def _members(call: Call) -> Answer:
    volume = find(call)
    data = [wire.volume_job(call.base, name, group=group) for name, group in volume.recurring]
    return Answer(body=wire.collection(call.url, "volumeRecurringJob", data))


def member_list(call: Call) -> Answer:
    """Jobs and groups of a volume."""
    find(call, f"failed to list recurring jobs for volume {call.name}: ")
    return _members(call)


def member_add(call: Call) -> Answer:
    """Put a volume into a job or group, which need not exist."""
    body = call.read(MEMBER)
    volume = find(call, f"failed to add recurring job {body['name']} to volume {call.name}: ")
    volume.recurring[body["name"], body["isGroup"]] = True
    call.world.touch(volume)
    return _members(call)


def member_delete(call: Call) -> Answer:
    """Take a volume out; a volume without any job is in the group `default`."""
    body = call.read(MEMBER)
    volume = find(call, f"failed to delete recurring job {body['name']} from volume {call.name}: ")
    volume.recurring.pop((body["name"], body["isGroup"]), None)
    if not volume.recurring:
        volume.recurring["default", True] = True
    call.world.touch(volume)
    return _members(call)
