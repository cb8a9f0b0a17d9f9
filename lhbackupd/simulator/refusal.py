"""What Longhorn refuses: a status and its words.

Not found is 404, everything else 500, as Longhorn does it; what the simulator itself cannot do says so.
"""

from dataclasses import dataclass


@dataclass
class Refusal(Exception):  # noqa: N818 -- not a fault of the program
    """Raised by anything that a request asked for in vain."""

    message: str
    status: int = 500

    def __str__(self) -> str:
        return self.message


def missing(resource: str, name: str, doing: str = "") -> Refusal:
    """A Kubernetes object that does not exist."""
    words = f'{resource}.longhorn.io "{name}" not found'
    return Refusal(f"{doing}{words}", 404)


def unsupported(what: str) -> Refusal:
    """Something that the real Longhorn does and this one does not."""
    return Refusal(f"the simulated Longhorn cannot {what}")
