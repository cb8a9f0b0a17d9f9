"""Single values: durations, sizes, addresses."""

from datetime import timedelta
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lhbackupd.config import values


def read_duration(text: object) -> timedelta:
    return TypeAdapter(Annotated[timedelta, values.duration("1s", "7d")]).validate_python(text)


@given(st.integers(1, 7 * 86400))
def test_a_duration_that_was_written_reads_as_itself(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert read_duration(values.write_duration(span)) == span


@given(st.integers(0, 10**15 - 1))
def test_a_size_that_was_written_reads_as_itself(size: int) -> None:
    assert values.read_size(values.write_size(size)) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("90m", 5400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", 15, "1.5h", "-5m", "5 m", "30m1h", "8d", "0s", "1w", None, True, "\u0663s"])
def test_what_is_no_duration_in_its_range_says_what_is(text: object) -> None:
    with pytest.raises(ValueError, match=r"a duration such as .* from 1s to 7d"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("4KiB", 4096), ("10MB", 10**7), ("1TiB", 2**40), ("12B", 12), ("7", 7), (4096, 4096)]
)
def test_sizes(text: object, size: int) -> None:
    assert values.read_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", -1, "4kb", "4 KiB", "1.5GiB", True, None, "KiB", 10**30])
def test_what_is_no_size_says_what_is(text: object) -> None:
    with pytest.raises(ValueError, match="a size such as"):
        values.read_size(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:9595", ("127.0.0.1", 9595)), ("[::1]:0", ("::1", 0)), ("localhost:80", ("localhost", 80))],
)
def test_a_listen_address_has_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert values.split_listen(text) == address


@pytest.mark.parametrize("text", ["9595", ":9595", "127.0.0.1", "127.0.0.1:70000", "::1:9595", "a b:1", 9595, ""])
def test_what_is_no_listen_address_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="off"):
        values.read_listen(text)


@pytest.mark.parametrize("url", ["http://longhorn-backend:9500", "https://[fd00::1]/longhorn", "http://10.0.0.1:80"])
def test_longhorn_addresses(url: str) -> None:
    assert values.read_longhorn_url(url + "/") == url


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("longhorn-backend:9500", "a URL such as"),
        ("ftp://longhorn", "a URL such as"),
        ("http://", "a URL such as"),
        ("http://host:99999", "a URL such as"),
        ("http://host:port", "a URL such as"),
        ("http://ho st", "a URL such as"),
        ("http://host/?a=b", "a URL such as"),
        ("http://[::1", "a URL such as"),
        ("http://host\n", "a URL such as"),
        (9500, "a URL such as"),
        ("http://me:secret@host", "without user and password"),
        ("http://host:9500/v1", 'without "/v1"'),
    ],
)
def test_what_is_no_longhorn_address_says_what_is(url: object, allowed: str) -> None:
    with pytest.raises(ValueError, match=allowed):
        values.read_longhorn_url(url)


@pytest.mark.parametrize(
    "url",
    ["sqlite:////var/lib/x.db", "sqlite:////x.db?timeout=3", "postgresql+psycopg://u:p@db/lh", "postgresql://db/lh"],
)
def test_state_urls(url: str) -> None:
    assert values.read_state_url(url) == url


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///relative.db", "sqlite:///:memory:", "mysql://db/x", "postgresql://db", "/x.db", 1]
)
def test_what_is_no_state_url_is_refused(url: object) -> None:
    with pytest.raises(ValueError):
        values.read_state_url(url)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:hush@db/lh", "postgresql://u:***@db/lh"),
        ("postgresql://u:hu@sh/x@db/lh", "postgresql://u:***@db/lh"),
        ("postgresql:///lh?user=u&password=hush&a=b", "postgresql:///lh?user=u&password=***&a=b"),
        ("postgresql:///lh?sslpassword=hush", "postgresql:///lh?sslpassword=***"),
        ("sqlite:////x.db", "sqlite:////x.db"),
        ("http://host:9500", "http://host:9500"),
    ],
)
def test_passwords_in_urls_are_masked(text: str, shown: str) -> None:
    assert values.mask(text) == shown


@pytest.mark.parametrize("label", ["a", "nightly", "a-1", "x" * 40])
def test_labels(label: str) -> None:
    assert values.read_label(label) == label


@pytest.mark.parametrize("label", ["", "-a", "a-", "A", "a_b", "a.b", "x" * 41, "a\n", 1, "ä"])
def test_what_is_no_label_is_refused(label: object) -> None:
    with pytest.raises(ValueError, match="lower-case letters"):
        values.read_label(label)
