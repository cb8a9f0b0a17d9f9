"""Each volume's own moment within a policy's `spread`, so that not all of them are due at once.

The moment comes from a hash of the names of policy and volume, and from nothing else: a volume keeps it for ever,
another volume moves none, and two policies do not meet in the same order. All 64 bits of the hash have their part in
it, so that neither names that differ in one letter nor the length of the spread make moments gather.
"""

from datetime import timedelta
from hashlib import blake2b

_BITS = 64
_PURPOSE = b"lhbackupd.spread"


def offset(policy: str, volume: str, spread: timedelta | None) -> timedelta:
    """How long after the policy's due time the volume is due: whole seconds, less than `spread`; nothing without it."""
    if spread is None:
        return timedelta(0)
    # neither name holds a zero byte, so no two pairs make one text
    digest = blake2b(f"{policy}\0{volume}".encode(), digest_size=_BITS // 8, person=_PURPOSE).digest()
    return timedelta(seconds=int.from_bytes(digest, "big") * int(spread.total_seconds()) >> _BITS)
