"""What to do about a volume that is not protected, in words and, where there is one, with a command to copy."""

from lhbackupd.core.model import Outcome
from lhbackupd.surface.markup import Html, el, join
from lhbackupd.surface.pages.parts import command
from lhbackupd.surface.report import CoveredVolume
from lhbackupd.surface.standing import Standing


def advice(row: CoveredVolume) -> Html:
    """The next step for a volume under a policy; nothing for one that is protected."""
    match row.standing:
        case Standing.PROTECTED | Standing.SHADOW:
            return Html()
        case Standing.SUSPENDED:
            words = 'Let it be attached: detached = "always" in the policy, or Longhorn\'s own setting. Then:'
            return _step(words, "systemctl", "reload", "lhbackupd")
        case Standing.FAILING:
            return _step("See to the reason, then do not wait for the next attempt:", *_backup(row))
        case Standing.UNPROTECTED:
            return _step(_unprotected(row), *_backup(row))


def _unprotected(row: CoveredVolume) -> str:
    if row.last_outcome is None:
        return "It is backed up when it is next due, or now:"
    if row.last_outcome is Outcome.BELOW_THRESHOLD:
        return "It has new data, but less than the policy's min_new_bytes. Lower that, then:"
    return "It is tried again when it is next due, or now:"


def uncovered_advice() -> Html:
    """The next step for a volume that no policy covers."""
    return _step("Let a [[policy]] match it, then:", "systemctl", "reload", "lhbackupd")


def _backup(row: CoveredVolume) -> tuple[str, ...]:
    return "lhbackupd", "backup", row.volume, "--policy", row.policy


def _step(words: str, *line: str) -> Html:
    return join((el("span", words, class_="advice"), el("br"), command(*line)))
