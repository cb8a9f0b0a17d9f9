"""Who covers which volume, kept in step with the volumes, policies and recurring jobs there are.

Worked out once for every list of volumes, in the worker, and told when it changes; status, metrics and log read it
from here, so that they cannot tell two stories.
"""

from collections.abc import Mapping

from lhbackupd.core.coverage import Covers, covers
from lhbackupd.core.model import Exclude, Policy
from lhbackupd.engine.events import CoverChanged, Tell
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.inventory import Picture


class Coverage:
    """Holds the latest answer."""

    def __init__(self, *, offload: Offload, tell: Tell) -> None:
        self._offload = offload
        self._tell = tell
        #: what the answer was made from
        self._given: tuple[object, ...] = ()
        self.covers = Covers()

    async def look(self, picture: Picture, policies: Mapping[str, Policy], excludes: tuple[Exclude, ...]) -> None:
        """Work it out anew if anything changed; without a list of volumes nothing is known."""
        given = (picture.volumes, picture.groups, picture.jobs, picture.setting, policies, excludes)
        if picture.at is None or (
            self._given and all(now is then for now, then in zip(given, self._given, strict=True))
        ):
            return
        before = self.covers
        self.covers = await self._offload(_covers, before, picture, policies, excludes)
        self._given = given
        if self.covers is not before:
            self._tell(CoverChanged(before, self.covers))


def _covers(before: Covers, picture: Picture, policies: Mapping[str, Policy], excludes: tuple[Exclude, ...]) -> Covers:
    """Who covers the volumes of `picture`; the answer of before itself where that still holds."""
    after = covers(
        picture.volumes.values(),
        policies=policies.values(),
        groups=picture.groups,
        jobs=picture.jobs,
        excludes=excludes,
        setting=picture.setting,
    )
    return before if after == before else after
