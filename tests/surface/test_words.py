from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

import pytest

from lhbackupd.core.model import Outcome
from lhbackupd.core.protection import Protection
from lhbackupd.surface import words
from tests.surface.house import NOON, TODAY, ended


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (12, "12 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (15000, "4 h 10 min"),
        (86400, "1 d"),
    ],
)
def test_a_span_is_said_in_its_two_greatest_units(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


def word(outcome: Outcome | None, **fields: Any) -> Protection:
    return replace(Protection(policy="nightly", volume="pvc-a", last_outcome=outcome), **fields)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (word(None), "never backed up"),
        (word(Outcome.COMPLETED, protected_until=TODAY), "protected as of 2026-10-22 02:00:00 UTC"),
        (word(Outcome.UNCHANGED, last_success=TODAY), "protected, unchanged since 2026-10-22 02:00:00 UTC"),
        (word(Outcome.UNCHANGED), "protected, empty"),
        (
            word(Outcome.NOT_INSPECTED, protected_until=TODAY, last_success=TODAY),
            "protected as of 2026-10-22 02:00:00 UTC, not inspected since",
        ),
        (
            word(Outcome.BELOW_THRESHOLD, protected_until=TODAY, unprotected_bytes=4096),
            "4096 bytes unprotected since 2026-10-22 02:00:00 UTC",
        ),
        (word(Outcome.FAILED, unprotected_bytes=7), "7 bytes unprotected and never backed up"),
        (word(Outcome.FAILED, protected_until=TODAY), "protected only until 2026-10-22 02:00:00 UTC"),
        (word(Outcome.REFUSED), "never backed up"),
        (word(Outcome.COMPLETED, lost="gone"), "in no backup any more"),
        (word(Outcome.UNCHANGED, lost="gone", protected_until=TODAY), "protected only until 2026-10-22 02:00:00 UTC"),
    ],
)
def test_protection_is_said_as_it_is(known: Protection, said: str) -> None:
    assert words.protection(known) == said


def test_old_protection_is_said_with_its_end() -> None:
    known = word(Outcome.COMPLETED, protected_until=TODAY)
    assert words.protection(known, late=True) == "protected only until 2026-10-22 02:00:00 UTC"


def test_a_wait_that_the_end_cut_short_counts_too() -> None:
    run = ended("pvc-a", Outcome.GONE, waited=5.0)
    assert words.waited(run) == 5.0
    assert run.finished_at is not None
    assert words.waited(replace(run, waiting_since=run.finished_at - timedelta(seconds=7))) == 12.0
    assert words.waited(replace(run, finished_at=None, waiting_since=NOON)) == 5.0


@pytest.mark.parametrize(
    ("name", "meant"),
    [("orders-04210", "orders-0421"), ("orders-0421-dta", "orders-0421-data"), ("0421", "orders-0421"), ("xyz", "")],
)
def test_what_may_be_meant_is_found_among_thousands_of_names_without_comparing_all(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []

    def close(word: str, possibilities: list[str], n: int, cutoff: float) -> list[str]:
        compared.extend(possibilities)
        return get_close_matches(word, possibilities, n, cutoff)

    monkeypatch.setattr(words, "get_close_matches", close)
    many = [f"orders-{number:04}{end}" for number in range(5_000) for end in ("", "-data")]
    assert words.alike(name, many)[:1] == [meant][: bool(meant)]
    assert len(compared) <= 100
