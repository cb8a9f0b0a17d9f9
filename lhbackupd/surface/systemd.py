"""What systemd is told: readiness, reloading, stopping, and a watchdog fed by the scheduler's own progress.

The protocol is one datagram a message to the socket in NOTIFY_SOCKET; without that variable nothing is said. A keeper
loop that no longer turns stops the feeding, so that systemd ends and restarts a daemon that lives but does not work.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping


class Systemd:
    """The service manager, if there is one."""

    def __init__(self, *, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        #: a leading @ stands for the abstract namespace
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        wanted = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        #: seconds between two signs of life, half of what systemd allows; 0 if it wants none
        self.period = int(wanted) / 2_000_000 if wanted.isdecimal() and ours else 0.0

    def tell(self, **state: str) -> None:
        """Send assignments such as READY="1"; a service manager that does not listen is no error."""
        if not self._address:
            return
        message = "\n".join(f"{key}={value}" for key, value in state.items()).encode()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.connect(self._address)
                channel.send(message)
            except OSError:
                return

    async def watch(self, alive: Callable[[], bool], stop: asyncio.Event) -> None:
        """Feed the watchdog for as long as `alive` says so, until `stop`."""
        while self.period and not stop.is_set():
            if alive():
                self.tell(WATCHDOG="1")
            try:
                async with asyncio.timeout(self.period):
                    await stop.wait()
            except TimeoutError:
                continue
