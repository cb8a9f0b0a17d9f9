"""Calls of libraries that block, in threads that nobody has to wait for.

A thread that hangs cannot be ended. So it is one that does not keep the process from ending, and its caller does not
start another before it is done.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable

from lhbackupd.surface.notify.outbox import Undelivered

#: seconds that one call may take
TIMEOUT = 30.0


class Aside:
    """One caller's thread."""

    def __init__(self, *, name: str, timeout: float = TIMEOUT) -> None:
        self._name = name
        self._timeout = timeout
        self._busy = False

    async def __call__(self, function: Callable[[], None]) -> None:
        """Run `function` to its end, at most so long. Raises what it raises, and Undelivered."""
        if self._busy:
            raise Undelivered("what was sent before has not come back")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def work() -> None:
            found: BaseException | None = None
            try:
                function()
            except BaseException as error:  # noqa: BLE001 -- it belongs to who waits
                found = error
            self._busy = False
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, found)

        self._busy = True
        threading.Thread(target=work, name=self._name, daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout):
                await done
        except TimeoutError:
            raise Undelivered(f"no answer came within {self._timeout:.0f} s") from None
