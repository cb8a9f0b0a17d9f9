"""How long each part of Longhorn takes, in seconds of the cluster's clock.

The defaults are those of the recordings (a simulated engine that attaches in 0.5 s and backs 8 MiB up in 2
s): a ticket is satisfied 2 s after it was written, the engine is polled every 5 s, a backup every 2 s, a
detach takes 1.9 s. All of them can be changed while the cluster runs (`PUT /sim/timing`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds unless the name says otherwise."""

    reaction: float = 0.08  #: a controller notices a change
    create: float = 0.25  #: a new volume is placed and detached
    replica_start: float = 0.85  #: first replica runs, from `attaching` on
    replica_stagger: float = 0.25  #: the other replicas, after the first
    engine_start: float = 0.5  #: the engine process itself
    engine_notice: float = 0.32  #: Longhorn notices that the engine runs
    engine_stop: float = 0.8  #: from `detaching` on
    replica_stop: float = 0.3  #: first replica stops, after the engine
    detach_notice: float = 0.65  #: the other replicas stop and the volume is detached
    engine_poll: float = 5.0  #: period of the engine monitor
    robustness: float = 0.12  #: `healthy` after the engine's first poll
    size_burst: int = 3  #: size-only changes that are written at once
    size_interval: float = 30.0  #: then one per this
    snapshot_take: float = 0.1  #: snapshot controller asks the engine
    controller_release: float = 0.12  #: a controller drops its ticket when its work is done
    backup_start: float = 0.02  #: the engine is asked to back up, volume attached
    backup_start_fresh: float = 0.55  #: the same when the controller's own ticket attached the volume
    backup_first_look: float = 4.0  #: first sample of the backup monitor
    backup_look: float = 2.0  #: period of the backup monitor
    backup_floor: float = 2.0  #: no backup is quicker
    backup_per_byte: float = 1 / (50 * 2**20)  #: seconds per byte of new data
    last_backup: float = 3.0  #: `lastBackup` follows a completed backup
    last_backup_stale: float = 13.0  #: `lastBackup` keeps naming a deleted backup
    backup_delete: float = 6.0  #: a completed backup's data is removed
    purge: float = 0.3  #: the engine coalesces removed snapshots
    rebuild_start: float = 0.9  #: replica process of a rebuild runs
    rebuild: float = 2.0  #: data of a rebuild
    rebuild_retry: float = 5.0  #: the rebuilt replica is noticed with the next poll
    delete_volume: float = 0.3  #: a deleted volume disappears, detached
    pod_start: float = 0.3  #: a pod runs after its volume is usable
    csi_timeout: float = 90.0  #: one try of the CSI driver
    csi_retry: float = 1.0  #: pause before its next try
    node_notice: float = 0.3  #: Longhorn notices a node's readiness
    target_notice: float = 0.0  #: Longhorn notices a target's availability
    sync_interval: float = 10.0  #: a target may be synchronised this often
    job_look: float = 5.0  #: Longhorn's own job looks this often
    job_start: float = 2.0  #: pod of Longhorn's own job starts
    restore: float = 5.0  #: a volume is restored from a backup
    event_ttl: float = 3600.0  #: Kubernetes forgets an event
    event_burst: int = 25  #: events per object written at once
    event_refill: float = 300.0  #: then one per this
