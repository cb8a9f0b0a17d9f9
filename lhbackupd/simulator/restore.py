"""Volumes made from a backup: the restore controller attaches them, fills them, and lets go.

While that lasts the volume is not ready (`restoreRequired`), and an attach by anybody else is refused.
"""

import re

from lhbackupd.simulator import attachment
from lhbackupd.simulator.model import Ticket, Volume
from lhbackupd.simulator.refusal import Refusal
from lhbackupd.simulator.world import World

KIND = "volume-restore-controller"
URL = re.compile(r"(?P<target>.*/)\?backup=(?P<backup>[^&]+)&volume=(?P<volume>[^&]+)")


def find(world: World, url: str) -> str:
    """The backup that a URL names; raises Refusal when there is none."""
    match = URL.fullmatch(url)
    backup = world.backup(match["backup"]) if match else None
    if backup is None or not backup.url:
        raise Refusal(f"failed to create volume: cannot get backup {url}")
    return backup.name


def begin(world: World, volume: Volume, backup_name: str) -> None:
    """A volume is to be filled from a backup."""
    volume.restore_from = world.backup(backup_name)

    def hold() -> None:
        volume.spec["restoreRequired"] = True
        volume.spec["restoreInitiated"] = True
        ticket = Ticket(f"{KIND}-{volume.name}", KIND, volume.owner, {"disableFrontend": "true"}, world.elapsed())
        attachment.add(world, volume, ticket, by=KIND)

    world.soon(world.timing.create / 2, hold)


def reconcile(world: World, volume: Volume) -> None:
    """Hold the volume while it is being restored; start it as soon as it is placed."""
    if volume.restore_from is None or volume.restored:
        return
    if volume.state == "attached" and volume.polled and not volume.hang:
        volume.restored = True
        volume.write_number += 1
        content = volume.restore_from.content
        volume.chain.head = tuple((first, behind, volume.write_number) for first, behind, _ in content)
        volume.write_times[volume.write_number] = world.elapsed()
        world.soon(world.timing.restore, lambda: _finish(world, volume))


def _finish(world: World, volume: Volume) -> None:
    volume.spec["restoreRequired"] = False
    attachment.remove(world, volume, f"{KIND}-{volume.name}", by=KIND)
    world.touch(volume)
