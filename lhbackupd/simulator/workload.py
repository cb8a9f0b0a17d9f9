"""Pods that use volumes, as Kubernetes and the CSI driver would do it.

A starting pod writes a csi-attacher ticket and stays Pending until that is satisfied and the device is there;
the CSI driver gives up a try after 90 s and tries again. A stopping pod takes the ticket away and leaves
`lastPodRefAt`.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from lhbackupd.simulator import attachment, generation, singleattach
from lhbackupd.simulator.model import Ticket, Volume
from lhbackupd.simulator.refusal import Refusal
from lhbackupd.simulator.world import World, rfc3339


@dataclass(slots=True)
class Pod:
    """One pod with one volume."""

    name: str
    namespace: str
    volume: str
    node: str
    started: float
    phase: str = "Pending"
    waited: float = 0.0
    behind: list[str] = field(default_factory=list)
    message: str = ""
    tries: int = 1
    try_began: float = 0.0
    write_bytes: int = 0
    write_every: float = 0.0
    write_offset: int = 0
    workload_name: str = ""
    workload_type: str = ""
    stopped: bool = False

    @property
    def ticket_id(self) -> str:
        """The name that the CSI external attacher gives its attachment."""
        digest = hashlib.sha256(f"{self.volume}driver.longhorn.io{self.node}".encode()).hexdigest()
        return f"csi-{digest}"


def bind(world: World, volume: Volume, namespace: str, pvc: str) -> None:
    """A claim is bound to the volume."""
    k = volume.kubernetes
    if not k.pv_name:
        words = f"Persistent Volume {volume.name} started to use/reuse Longhorn volume {volume.name}"
        world.event("kubernetes-pv", "Volume", volume.name, "Start", words)
    k.namespace, k.pvc_name, k.pv_name, k.pv_status = namespace, pvc, volume.name, "Bound"
    k.last_pvc_ref_at = ""
    world.touch(volume)


def show(world: World, volume: Volume) -> None:
    """Write the volume's pods into its `kubernetesStatus`; the last ones stay when all are gone."""
    pods = [p for p in world.pods.values() if p.volume == volume.name and not p.stopped]
    if pods:
        volume.kubernetes.workloads = [
            {
                "podName": pod.name,
                "podStatus": pod.phase,
                "workloadName": pod.workload_name,
                "workloadType": pod.workload_type,
            }
            for pod in pods
        ]
        volume.kubernetes.last_pod_ref_at = ""
    world.touch(volume)


def start(world: World, pod: Pod) -> Pod:
    """Kubernetes starts a pod."""
    volume = world.volumes.get(pod.volume)
    if volume is None:
        raise Refusal(f"there is no volume {pod.volume}", 404)
    if pod.node not in world.nodes:
        raise Refusal(f"there is no node {pod.node}", 404)
    if (pod.namespace, pod.name) in world.pods:
        raise Refusal(f"pod {pod.namespace}/{pod.name} is already there", 409)
    world.pods[pod.namespace, pod.name] = pod
    if not volume.kubernetes.pvc_name:
        bind(world, volume, pod.namespace, volume.name)
    show(world, volume)
    pod.try_began = world.elapsed()
    behind = [ticket.id for ticket in volume.tickets.values()]
    world.ledger.add("pod-waiting", volume.name, pod=pod.name, node=pod.node, behind=behind)
    ask(world, volume, pod)
    return pod


def ask(world: World, volume: Volume, pod: Pod) -> None:
    """The CSI driver asks for the attachment, as often as needed."""
    if generation.single(world):
        _ask_single(world, volume, pod)
        return
    if pod.ticket_id not in volume.tickets:
        parameters = {"disableFrontend": "false", "lastAttachedBy": ""}
        ticket = Ticket(pod.ticket_id, "csi-attacher", pod.node, parameters, world.elapsed())
        attachment.add(world, volume, ticket, by=f"pod {pod.name}")
    began = pod.try_began
    world.soon(world.timing.csi_timeout, lambda: _time_out(world, pod, began))


def _ask_single(world: World, volume: Volume, pod: Pod) -> None:
    """Before tickets: try until the volume is free. Refused tries leave no trace in the volume."""
    if pod.stopped or world.volumes.get(volume.name) is not volume or pod.phase == "Running":
        return
    try:
        singleattach.attach(
            world, volume, node=pod.node, disable_frontend=False, by="", kind="csi-attacher", ticket_id=pod.ticket_id
        )
    except Refusal as refusal:
        pod.message = refusal.message
    if pod.ticket_id not in volume.tickets:
        world.soon(world.timing.csi_retry, lambda: _ask_single(world, volume, pod))


def _time_out(world: World, pod: Pod, began: float) -> None:
    volume = world.volumes.get(pod.volume)
    if volume is None or pod.stopped or pod.phase != "Pending" or pod.try_began != began:
        return
    pod.tries += 1
    pod.try_began = world.elapsed() + world.timing.csi_retry
    ask(world, volume, pod)


def reconcile(world: World, volume: Volume) -> None:
    """Pods whose volume became usable run; others say what they wait for."""
    if not world.pods:
        return
    for pod in [p for p in world.pods.values() if p.volume == volume.name and p.phase == "Pending" and not p.stopped]:
        ticket = volume.tickets.get(pod.ticket_id)
        if ticket is None:
            continue
        pod.message = ticket.condition.message if ticket.condition else ""
        others = [t.id for t in volume.tickets.values() if t.id != pod.ticket_id and t.satisfied]
        pod.behind = sorted({*pod.behind, *others}) if not ticket.satisfied else pod.behind
        if ticket.satisfied and volume.polled and volume.robustness in {"healthy", "degraded"}:
            _run(world, volume, pod)


def _run(world: World, volume: Volume, pod: Pod) -> None:
    pod.phase = "Starting"

    def running() -> None:
        if pod.stopped or not volume.engine_running:
            pod.phase = "Pending"
            return
        pod.phase, pod.waited, pod.message = "Running", round(world.elapsed() - pod.started, 3), ""
        world.ledger.add("pod-running", volume.name, pod=pod.name, node=pod.node, waited=pod.waited, behind=pod.behind)
        show(world, volume)
        _keep_writing(world, pod)

    world.soon(world.timing.pod_start, running)


def _keep_writing(world: World, pod: Pod) -> None:
    if pod.write_every <= 0 or pod.write_bytes <= 0:
        return

    def again() -> None:
        volume = world.volumes.get(pod.volume)
        if pod.stopped or volume is None:
            return
        if volume.engine_running and pod.phase == "Running":
            write(world, volume, pod.write_bytes, pod.write_offset, by=f"pod {pod.name}")
            pod.write_offset = (pod.write_offset + pod.write_bytes) % max(1, volume.size - pod.write_bytes)
        _keep_writing(world, pod)

    world.soon(pod.write_every, again)


def stop(world: World, namespace: str, name: str) -> Pod:
    """Kubernetes stops a pod."""
    pod = world.pods.pop((namespace, name), None)
    if pod is None:
        raise Refusal(f"there is no pod {namespace}/{name}", 404)
    assert isinstance(pod, Pod)
    pod.stopped = True
    volume = world.volumes.get(pod.volume)
    world.ledger.add("pod-stopped", pod.volume, pod=name, node=pod.node, phase=pod.phase)
    if volume:
        same = [p for p in world.pods.values() if p.volume == pod.volume]
        if not any(p.node == pod.node for p in same):
            attachment.remove(world, volume, pod.ticket_id, by=f"pod {pod.name}")
        if not same:
            volume.kubernetes.last_pod_ref_at = rfc3339(world.now())
        show(world, volume)
    return pod


def write(world: World, volume: Volume, length: int, offset: int, *, by: str) -> int:
    """Data is written into the head; returns by how much it grew."""
    if offset < 0 or length <= 0 or offset + length > volume.size:
        raise Refusal(f"{length} bytes at {offset} do not fit into {volume.size}", 400)
    volume.write_number += 1
    volume.write_times[volume.write_number] = world.elapsed()
    grown = volume.chain.write(offset, length, volume.write_number)
    world.ledger.add("write", volume.name, bytes=length, offset=offset, by=by, grown=grown, number=volume.write_number)
    return grown


def facts(world: World, pod: Pod) -> dict[str, Any]:
    """A pod as the side API shows it."""
    waited = pod.waited if pod.phase == "Running" else round(world.elapsed() - pod.started, 3)
    return {
        "name": pod.name, "namespace": pod.namespace, "volume": pod.volume, "node": pod.node,
        "phase": "Pending" if pod.phase == "Starting" else pod.phase, "waited": waited, "behind": pod.behind,
        "message": pod.message, "tries": pod.tries, "ticket": pod.ticket_id,
    }  # fmt: skip
