"""Who covers which volume, kept in step with the volumes, policies and recurring jobs there are.

Worked out in a thread, for the volumes that a list shows otherwise than the last one, and told when it changes;
status, metrics and log read it from here, so that they cannot tell two stories.
"""

from collections.abc import Mapping

from lhbackupd.core.cluster import Volume
from lhbackupd.core.coverage import Coverage as Answer
from lhbackupd.core.coverage import Covers, covers
from lhbackupd.core.model import Exclude, Policy
from lhbackupd.engine.events import CoverChanged, Tell
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.inventory import Picture


class Coverage:
    """Holds the latest answer."""

    def __init__(self, *, compute: Offload, tell: Tell) -> None:
        self._compute = compute
        self._tell = tell
        #: the volumes that the answer was made from, and what else
        self._volumes: Mapping[str, Volume] = {}
        self._given: tuple[object, ...] = ()
        self.covers = Covers()

    async def look(self, picture: Picture, policies: Mapping[str, Policy], excludes: tuple[Exclude, ...]) -> None:
        """Work it out anew if anything changed; without a list of volumes nothing is known."""
        given = (picture.groups, picture.jobs, picture.setting, policies, excludes)
        same = bool(self._given) and all(now is then for now, then in zip(given, self._given, strict=True))
        if picture.at is None or (same and picture.volumes is self._volumes):
            return
        before, former = self.covers, self._volumes if same else {}
        known = {name: before.volumes[name] for name, volume in picture.volumes.items() if former.get(name) is volume}
        self.covers = await self._compute(_covers, before, known, picture, policies, excludes)
        self._volumes, self._given = picture.volumes, given
        if self.covers is not before:
            self._tell(CoverChanged(before, self.covers))


def _covers(
    before: Covers,
    known: Mapping[str, Answer],
    picture: Picture,
    policies: Mapping[str, Policy],
    excludes: tuple[Exclude, ...],
) -> Covers:
    """Who covers the volumes of `picture`, some of them known; the answer of before itself where that still holds."""
    after = covers(
        picture.volumes.values(),
        policies=policies.values(),
        groups=picture.groups,
        jobs=picture.jobs,
        excludes=excludes,
        setting=picture.setting,
        known=known,
    )
    if after == before:
        return before
    after.named()  # who is told asks for it on the loop, where to go through all of them would take long
    return after
