"""The side API's part about the cluster: pods, nodes, targets, Longhorn's own jobs, events."""

from typing import Any

from lhbackupd.simulator import extents, jobs, nodes, targets, workload
from lhbackupd.simulator.model import Backup, Target
from lhbackupd.simulator.refusal import Refusal
from lhbackupd.simulator.world import World

Body = dict[str, Any]


def pods(world: World, body: Body) -> Any:
    """All pods."""
    del body
    return {"pods": [workload.facts(world, pod) for pod in world.pods.values()]}


def start_pod(world: World, body: Body) -> Any:
    """Start a pod."""
    pod = workload.Pod(
        str(body["name"]), str(body.get("namespace", "default")), str(body["volume"]), str(body["node"]),
        world.elapsed(), write_bytes=int(body.get("write_bytes", 0)),
        write_every=float(body.get("write_every", 0.0)),
        write_offset=int(body.get("write_offset", 0)), workload_name=str(body.get("workload", "")),
        workload_type=str(body.get("workload_type", "")),
    )  # fmt: skip
    return workload.facts(world, workload.start(world, pod))


def stop_pod(world: World, namespace: str, name: str, body: Body) -> Any:
    """Stop a pod."""
    del body
    return workload.facts(world, workload.stop(world, namespace, name))


def node(world: World, name: str, body: Body) -> Any:
    """`ready`, `power` (off, on, restart), `cordoned`, `gone`, or any wire field."""
    return nodes.change(world, name, body)


def target(world: World, name: str, body: Body) -> Any:
    """`available`, `message`, `url`; an unknown name makes a new target."""
    found = world.targets.get(name)
    if found is None:
        found = Target(name, str(body.get("url", f"s3://{name}@us-east-1/")), "longhorn-backup-secret")
        world.targets[name] = found
    found.url = str(body.get("url", found.url))
    if "available" in body:
        targets.set_available(world, found, available=bool(body["available"]), message=str(body.get("message", "")))
    return {"name": name, "available": found.available, "url": found.url}


def foreign_backup(world: World, name: str, body: Body) -> Any:
    """Another cluster on the same target completed a backup of a volume of that name."""
    found = world.targets.get(name)
    if found is None:
        raise Refusal(f"there is no target {name}", 404)
    volume = str(body["volume"])
    size = int(body.get("bytes", 8 * 2**20))
    backup = Backup(
        f"backup-{world.hex(16)}", volume, name, str(body.get("snapshot", f"foreign-{world.hex(8)}")),
        {"longhorn.io/volume-access-mode": "rwo", **body.get("labels", {})}, "incremental", world.elapsed(),
        "foreign",
        state="Completed", progress=100, started=world.elapsed(), snapshot_created=world.now(),
        created=world.now(),
        volume_created=world.now(), size=size, new_bytes=size, volume_size=int(body.get("volumeSize", 2**30)),
        content=extents.put((), (0, size, -1)),
    )  # fmt: skip
    backup.url = f"{found.url}?backup={backup.name}&volume={volume}"
    found.add(backup)
    world.changed("backups")
    world.ledger.add("backup-foreign", volume, backup=backup.name, target=name)
    return {"backup": backup.name}


def forget_events(world: World, body: Body) -> Any:
    """Kubernetes loses events: all, or those of one object."""
    subject = body.get("object")
    found = world.recorder.events
    for key in [key for key, event in found.items() if subject in {None, event.subject}]:
        del found[key]
    return {"left": len(found)}


def run_job(world: World, name: str, body: Body) -> Any:
    """Run one of Longhorn's jobs now, whatever its cron says."""
    del body
    if name not in world.jobs:
        raise Refusal(f"there is no recurring job {name}", 404)
    return jobs.facts(jobs.fire(world, name))


def job_runs(world: World, body: Body) -> Any:
    """Runs of Longhorn's own jobs."""
    del body
    return {"runs": [jobs.facts(run) for run in world.job_runs]}


def generation(world: World, body: Body) -> Any:
    """Show another generation of the API; what is not simulated is refused."""
    from lhbackupd.simulator.generation import choose

    return {"version": choose(world, str(body["version"]))}
