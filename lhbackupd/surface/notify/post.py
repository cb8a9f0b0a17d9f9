"""Messages through the Apprise library, and nothing of what it says about them.

Apprise's URLs hold secrets, and so may its log lines and what services answer. None of that goes on from here: of a
failure only the class is told, in our own words.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from typing_extensions import override

from lhbackupd.surface.notify.letter import Letter
from lhbackupd.surface.notify.outbox import Undelivered

#: Apprise, whose warnings we classify, and what it sends with, from which nothing is wanted
_LOGGERS = {"apprise": logging.WARNING, "requests": logging.CRITICAL, "urllib3": logging.CRITICAL}
_CODE = re.compile(r"error=(\d{3})\b")


def _apprise() -> Any:
    """The library, which takes a second to load, kept from writing to our log."""
    for name, level in _LOGGERS.items():
        log = logging.getLogger(name)
        log.setLevel(level)
        log.propagate = False
        if not log.handlers:
            log.addHandler(logging.NullHandler())
    import apprise

    return apprise


def takes(url: str) -> bool:
    """Whether Apprise can make something of a URL. Sends nothing."""
    return _instance(url) is not None


def _instance(url: str) -> Any:
    apprise = _apprise()
    asset = apprise.AppriseAsset(app_id="lhbackupd", app_desc="lhbackupd", app_url="", async_mode=False)
    return apprise.Apprise.instantiate(url, asset=asset)


def send(url: Callable[[], str], letter: Letter) -> None:
    """Send a message, and return when the service has taken it. Blocks. Raises Undelivered."""
    try:
        receiver = _instance(url())
    except ValueError as error:
        raise Undelivered(f"its file is not {error}") from None
    if receiver is None:
        raise Undelivered("Apprise does not take its URL; see https://appriseit.com")
    with _overheard() as hints:
        # a service that takes no more than 2,000 characters would refuse the same letter for ever
        taken = receiver.notify(body=letter.body, title=letter.title, body_format="text", overflow="split")
    if not taken:
        raise Undelivered(_why("\n".join(hints)))


def _why(hints: str) -> str:
    if code := _CODE.search(hints):
        return f"the service answered {code[1]}"
    if "onnection" in hints or "Socket" in hints:
        return "no connection to the service, or it was cut"
    return "Apprise says no more than that it failed"


class _Ear(logging.Handler):
    """Keeps what is logged in its own thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []
        self._thread = threading.get_ident()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.heard.append(record.getMessage())


@contextmanager
def _overheard() -> Iterator[list[str]]:
    ear = _Ear()
    log = logging.getLogger("apprise")
    log.addHandler(ear)
    try:
        yield ear.heard
    finally:
        log.removeHandler(ear)
