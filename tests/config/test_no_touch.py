"""`no_touch` and `inspect_at_least`: what follows from them, what cannot be, and what was hardly meant."""

from datetime import timedelta
from pathlib import Path

import pytest

from lhbackupd.config import advice, check, load

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "config.toml"
    cron = [] if any(line.startswith("cron") for line in lines) else ['cron = "0 2 * * *"']
    path.write_text("\n".join(("[[policy]]", 'name = "a"', *cron, *lines)))
    return path


@pytest.mark.parametrize(
    ("lines", "longest"),
    [
        ((), None),
        (("no_touch = false",), None),
        (("no_touch = true",), 7 * DAY),
        (("no_touch = true", 'rpo = "30d"'), 7 * DAY),
        (("no_touch = true", 'rpo = "4d"'), 2 * DAY),
        (("no_touch = true", 'rpo = "1m1s"'), timedelta(seconds=30)),
        (("no_touch = true", 'inspect_at_least = "14d"'), 14 * DAY),
        (("no_touch = true", 'rpo = "4d"', 'inspect_at_least = "2d"'), 2 * DAY),
        (('inspect_at_least = "2d"',), None),
    ],
)
def test_a_volume_is_let_alone_for_half_the_rpo_or_a_week_unless_it_is_said(
    tmp_path: Path, lines: tuple[str, ...], longest: timedelta | None
) -> None:
    assert load(written(tmp_path, *lines), {}).policies[0].no_touch == longest


def test_more_than_half_the_rpo_is_a_fault_that_says_what_to_write(tmp_path: Path) -> None:
    path = written(tmp_path, "no_touch = true", 'rpo = "26h"', 'inspect_at_least = "14h"')
    (fault,) = check(path, {})
    assert 'found inspect_at_least "14h" with rpo "1d2h": at most "13h", half the rpo, or a longer rpo' in fault


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("no_touch = true",), ()),
        (("no_touch = true", 'rpo = "4d"'), ()),
        (("no_touch = true", 'cron = "0 * * * *"', 'rpo = "26h"'), ()),
        (
            ("no_touch = true", 'rpo = "26h"'),
            ("spares no volume", "within 13h", 'inspect_at_least of at least "2d" and an rpo of at least "4d"'),
        ),
        (("no_touch = true", 'inspect_at_least = "1d"'), ("spares no volume", 'inspect_at_least of at least "2d", or')),
        (("no_touch = true", 'detached = "never"'), ("leave no_touch out",)),
        (('inspect_at_least = "2d"',), ("write no_touch = true, or leave inspect_at_least out",)),
    ],
)
def test_what_spares_nothing_is_a_warning_that_says_what_to_write(
    tmp_path: Path, lines: tuple[str, ...], words: tuple[str, ...]
) -> None:
    found = advice(load(written(tmp_path, *lines), {}))
    assert len(found) == bool(words)
    assert all(word in line for line in found for word in words)
