"""What an answer's status and body mean: Longhorn's word, a door's, or nobody's.

Longhorn answers 404 for what is missing and 500 for everything else [019, 204, 320], in an error body of its own; only
a volume that is missing is a 404 without a body [041]. Rule: what has neither was not said by Longhorn, and nothing is
concluded from it: an ingress that answers 404 while its backend restarts must not look like a deleted volume. The
plain "404 page not found" [007, 053] is such an answer too: Longhorn gives it for unknown actions, but Traefik, written
in Go as well, gives the same for every path while it has no route.
"""

from dataclasses import dataclass

from lhbackupd.longhorn import wire
from lhbackupd.longhorn.errors import LonghornError, Missing, Refused, Unreachable, visible

OK = range(200, 300)
REDIRECT = range(300, 400)
UNAUTHORISED = 401
FORBIDDEN = 403
NOT_FOUND = 404
SERVER_ERROR = 500

#: given by what stands before Longhorn, with whether Longhorn may have got the request all the same
DOORS = {408: False, 429: False, 502: True, 503: False, 504: True}

CREDENTIALS = "check token_file, or username and password_file, of [longhorn]"
ADDRESS = "check [longhorn] url: redirects are not followed"
PATH = "no such path or action: check [longhorn] url, or this Longhorn does not know the action"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer of at most the bytes that were allowed."""

    status: int
    body: bytes
    #: the header `Location` of a redirect
    location: str = ""

    @property
    def text(self) -> str:
        """The beginning of the body, fit to show."""
        return visible(self.body[:1024].decode("utf-8", "replace").strip())


def fault_of(answer: Answer, *, tried: str, writes: bool, bodiless: bool = False) -> LonghornError | None:
    """The error that an answer stands for; None if it is a success.

    `writes`: whether the request changes something; `bodiless`: whether a 404 without a body is Longhorn's to it.
    """
    status = answer.status
    if status in OK:
        return None
    said = wire.decode_refusal(answer.body)
    what = f"{status} {visible(said) if said is not None else answer.text}".strip()
    if status in DOORS:
        return Unreachable(what, tried=tried, ambiguous=writes and DOORS[status])
    if status in REDIRECT:
        return Unreachable(f"{status} to {visible(answer.location)}", tried=tried, hint=ADDRESS)
    if status in {UNAUTHORISED, FORBIDDEN}:
        return Refused(what, tried=tried, hint=CREDENTIALS)
    if status == NOT_FOUND:
        if said is not None or (bodiless and not answer.body):
            return Missing(what, tried=tried)
        return Unreachable(what, tried=tried, hint=PATH)
    if status < SERVER_ERROR or said is not None:
        return Refused(what, tried=tried)
    return Unreachable(what, tried=tried, ambiguous=writes, hint="no error of Longhorn's own")
