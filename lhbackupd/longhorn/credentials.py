"""Who we are towards the door in front of Longhorn: bearer token, or user name and password, or nobody.

Longhorn has no authentication of its own [802]; people put proxies in front. Rule: the secret lives in its file. It is
read when first needed and again after `forget` (a lost connection, a 401), so that a rotated secret takes effect
without a restart, and it is in no text that this module or an error shows.
"""

import asyncio
import base64
from dataclasses import dataclass, field
from pathlib import Path

from lhbackupd.longhorn.errors import Unreachable


@dataclass(slots=True, kw_only=True)
class Credentials:
    """Raises ValueError for half a pair, or for both kinds at once."""

    token_file: Path | None = None
    username: str = ""
    password_file: Path | None = None
    _header: str | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if bool(self.username) != (self.password_file is not None):
            raise ValueError("username and password_file go together")
        if self.token_file is not None and self.username:
            raise ValueError("either token_file or username and password_file, not both")

    async def headers(self) -> dict[str, str]:
        """The `Authorization` header, if any. Raises Unreachable while the file cannot be read."""
        path = self.token_file or self.password_file
        if path is None:
            return {}
        if self._header is None:
            self._header = self._of(await asyncio.to_thread(_secret, path))
        return {"Authorization": self._header}

    def forget(self) -> bool:
        """Read the file again next time; whether there is one."""
        self._header = None
        return self.token_file is not None or self.password_file is not None

    def _of(self, secret: str) -> str:
        if self.token_file is not None:
            if not secret.isascii():
                raise Unreachable(f"{self.token_file} holds no token: it is not ASCII", hint="nothing was sent")
            return f"Bearer {secret}"
        return "Basic " + base64.b64encode(f"{self.username}:{secret}".encode()).decode("ascii")


def _secret(path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        # no cause: a decoding error carries the bytes
        raise Unreachable(f"cannot read {path} ({type(error).__name__})", hint="nothing was sent") from None
    if not secret or not secret.isprintable():
        raise Unreachable(f"{path} holds no printable secret", hint="nothing was sent")
    return secret
