"""The one clock of a process: it can run faster, so that a rehearsal of a night takes seconds.

Nothing else in the project asks the operating system for the time. `now` is what people and cron mean,
`monotonic` is for patience and durations (a step of the wall clock does not touch it), `sleep` waits on it. Simulated
Longhorn and daemon given the same speed and epoch agree on what time it is, also in two processes.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self


@dataclass(frozen=True, slots=True)
class Clock:
    """Real time, or real time sped up from an epoch on.

    `speed` is how many seconds pass here per real second; `epoch` (seconds since 1970) is the real moment at which both
    times were equal and is without meaning at speed 1.
    """

    speed: float = 1.0
    epoch: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `SPEED` or `SPEED@EPOCH`, for example `60@1767225600`; raises ValueError on anything else."""
        speed, _, epoch = text.partition("@")
        clock = cls(speed=float(speed), epoch=float(epoch) if epoch else cls._wall())
        if not 0 < clock.speed <= 10_000:  # noqa: PLR2004
            raise ValueError(f"a clock's speed is more than 0 and at most 10000, not {speed}")
        return clock

    @staticmethod
    def _wall() -> float:
        return time.time()  # noqa: TID251 -- here the Clock asks

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        wall = self._wall()
        if self.speed == 1.0:
            return datetime.fromtimestamp(wall, UTC)
        return datetime.fromtimestamp(self.epoch, UTC) + timedelta(seconds=(wall - self.epoch) * self.speed)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic() * self.speed

    def spent(self) -> float:
        """Seconds of processor time that this process has taken."""
        return time.process_time() * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
        await asyncio.sleep(seconds / self.speed)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for `event`, at most `seconds` of this clock; whether it is set."""
        try:
            async with asyncio.timeout(seconds / self.speed):
                return await event.wait()
        except TimeoutError:
            return event.is_set()
