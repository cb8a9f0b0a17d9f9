"""The unix socket through which commands come in: made so that nobody can slip in, and gone when the daemon is.

Who may open it is a matter of its file's mode and group, so the mode is set before it listens: until then Linux refuses
to connect to it. A file that a killed daemon left behind is removed, but only if nobody listens to it any more; at the
end only the file that we made is removed, not one that somebody has put in its place.
"""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: owner and group may connect (which wants the right to write)
MODE = 0o660


class ControlError(Exception):
    """The control socket cannot be had; the text says which one and why."""


class NoDirectory(ControlError):  # noqa: N818 -- says what is the case
    """The directory in which the socket should be is not there: nobody has prepared this machine for one."""


@contextmanager
def doorway(path: Path) -> Iterator[socket.socket]:
    """A socket bound to `path` that does not listen yet; its file is removed when the block is left.

    Raises NoDirectory, or ControlError where something else is in the way.
    """
    try:
        _clear(path)
        listener = _bind(path)
    except FileNotFoundError:
        raise NoDirectory(f"no control socket {path} (control.socket): there is no directory {path.parent}") from None
    except OSError as error:
        raise ControlError(f"cannot make the control socket {path} (control.socket): {error.strerror}") from error
    with contextlib.closing(listener):
        made = _identity(path)
        try:
            yield listener
        finally:
            if made is not None and _identity(path) == made:
                path.unlink(missing_ok=True)


def _bind(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(path))
        path.chmod(MODE)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens to."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"cannot make the control socket {path} (control.socket): there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # not blocking: a listener whose queue is full is one all the same
        probe.setblocking(False)
        answer = probe.connect_ex(os.fspath(path))
    if answer in {errno.ECONNREFUSED, errno.ENOENT}:
        path.unlink(missing_ok=True)
    elif answer in {0, errno.EAGAIN}:
        raise ControlError(
            f"another daemon listens on the control socket {path}; stop it, or give this one its own (control.socket)"
        )
    else:
        raise OSError(answer, os.strerror(answer))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
