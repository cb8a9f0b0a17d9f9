"""Child processes that cannot outlive their test.

A process is ended by the test that started it; if that goes wrong, by its own time limit; and if the test run itself
dies, by the kernel. Its lines are kept, and shown when a test fails. Waiting is looking again until a condition holds
or a deadline passes; nothing here waits for a fixed time.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeVar

T = TypeVar("T")

#: seconds after which a process is killed, whatever its test is doing
LIMIT = 240.0
#: seconds until a condition must hold; far more than it takes, since all cores may be busy
PATIENCE = 25.0
#: seconds between two looks
LOOK = 0.02

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


async def until(what: str, look: Callable[[], Awaitable[T | None]], seconds: float = PATIENCE) -> T:
    """Look until there is something true, and return it; fails with `what` was waited for."""
    found: T | None = None
    try:
        async with asyncio.timeout(seconds):
            while not (found := await look()):  # noqa: ASYNC110 -- what happens in other processes sets no event here
                await asyncio.sleep(LOOK)
    except TimeoutError:
        raise AssertionError(f"waited {seconds:.0f} s in vain for {what}; seen last: {found!r}") from None
    assert found
    return found


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A child process, with the lines that it has written so far."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, limit: float) -> None:
        self.name = name
        self.lines: list[str] = []
        self._process = process
        self._reading = asyncio.create_task(self._read())
        self._limit = asyncio.get_running_loop().call_later(limit, self.kill)

    @classmethod
    async def start(
        cls,
        name: str,
        *arguments: str,
        environ: Mapping[str, str],
        module: tuple[str, ...] = ("lhbackupd",),
        limit: float = LIMIT,
    ) -> Self:
        """Run `python -m lhbackupd` with these arguments, or another module."""
        return await cls.execute(name, sys.executable, "-m", *module, *arguments, environ=environ, limit=limit)

    @classmethod
    async def execute(cls, name: str, *command: str, environ: Mapping[str, str], limit: float = LIMIT) -> Self:
        """Run a program."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
            preexec_fn=_die_with_parent,  # calls one function, which was loaded before the fork
        )
        return cls(name, process, limit)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode("utf-8", "replace").rstrip())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        if self.code is None:
            self._process.kill()

    async def ended(self, seconds: float = PATIENCE) -> int:
        """Wait for its end, and return the exit code."""
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
                await self._reading
        except TimeoutError:
            raise AssertionError(f"{self.name} has not ended within {seconds:.0f} s") from None
        assert self.code is not None
        return self.code

    async def close(self) -> None:
        """End it if it has not ended yet."""
        self.kill()
        self._limit.cancel()
        await self._process.wait()
        await self._reading

    async def says(self, text: str, *, after: int = 0) -> str:
        """Wait for a line that contains `text`, and return it; `after` leaves out so many lines."""

        async def look() -> str | None:
            if self.code is not None and not self._reading.done():
                await self._reading
            found = next((line for line in self.lines[after:] if text in line), None)
            assert found or self.code is None, f"{self.name} ended with {self.code} before it said {text!r}"
            return found

        return await until(f"{self.name} to say {text!r}", look)

    def said(self, text: str) -> list[str]:
        """Lines that contain `text`."""
        return [line for line in self.lines if text in line]

    def records(self) -> list[dict[str, Any]]:
        """Lines that are JSON objects."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]
