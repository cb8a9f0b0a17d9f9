"""What people are sent: plain text of our own words, in which foreign ones are quoted harmlessly.

What Longhorn says, or anybody who may name a volume, goes through `plain`: it can break no line, mention nobody, make
no link and no markup in whatever shows it, and passwords of URLs are taken out of it. What is cut ends in "…".
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lhbackupd.core.notices import Key, Kind
from lhbackupd.longhorn.errors import visible
from lhbackupd.surface.words import moment

#: notices that one message shows, and characters of one foreign text
SHOWN, LONGEST = 10, 400
_PASSWORD = re.compile(r"(://[^:@/\s]*:)[^@\s]*(@)")
#: what chat services take for a mention, for emphasis, or for a link, and what looks like it
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_EMPHASIS = re.compile(r"(?<!\w)_|_(?!\w)")
_HARMLESS = str.maketrans({"<": "\u2039", ">": "\u203a", "`": "'", "*": "\u2217", "~": "\u223c", "|": "\u00a6"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to be told. Its texts are fit to be sent."""

    kind: Kind
    about: Key
    at: datetime
    title: str
    #: the first says most
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as it goes out."""

    title: str
    body: str


def plain(text: str, limit: int = LONGEST) -> str:
    """Foreign text as it may stand in a message: one line of at most `limit` characters, without markup."""
    text = _PASSWORD.sub(r"\1hidden\2", text)
    text = _EMPHASIS.sub("\uff3f", _MENTION.sub("\uff20", text.translate(_HARMLESS))).replace("](", "] (")
    return visible(text, limit)


def together(notices: Sequence[Notice]) -> int:
    """How many of those that wait go into the next message: all up to a digest, which goes alone."""
    if notices[0].kind is Kind.DIGEST:
        return 1
    return next((index for index, notice in enumerate(notices) if notice.kind is Kind.DIGEST), len(notices))


def letter(instance: str, notices: Sequence[Notice]) -> Letter:
    """The message about one notice, or about many of which it shows the first."""
    if len(notices) == 1:
        (notice,) = notices
        return Letter(title=f"{instance}: {notice.title}", body="\n".join((*notice.lines, f"({moment(notice.at)})")))
    kinds = Counter(notice.kind.value for notice in notices)
    title = f"{instance}: {len(notices)} messages: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"
    lines = [f"- {notice.title}\n  {notice.lines[0]} ({moment(notice.at)})" for notice in notices[:SHOWN]]
    if len(notices) > SHOWN:
        lines.append(f"and {len(notices) - SHOWN} more")
    lines.append("All that stands now: lhbackupd status")
    return Letter(title=title, body="\n".join(lines))
