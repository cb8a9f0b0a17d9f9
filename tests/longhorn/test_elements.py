"""Long lists are taken apart without losing, doubling or changing anything, however they arrive."""

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.cluster import Volume
from lhbackupd.longhorn import elements, wire
from lhbackupd.longhorn.elements import Elements
from lhbackupd.longhorn.errors import WrongShape
from lhbackupd.longhorn.listing import Listing
from tests.longhorn.replay import recorded

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=3),
    max_leaves=12,
)
#: elements that all begin with the same key, as Go writes them, and hold objects that begin with it too
lists = st.lists(values.map(lambda value: {"a": value}), max_size=30)
AROUND = {"links": {}, "resourceType": "thing", "type": "collection"}


def written(data: Any) -> bytes:
    return json.dumps({"createTypes": {"data": "x"}, "data": data, **AROUND}, separators=(",", ":")).encode()


def taken(raw: bytes, cuts: list[int]) -> tuple[list[Any], Any]:
    """The elements that were cut off, and what is left, decoded."""
    found: list[Any] = []
    reader = Elements(lambda element: found.append(msgspec.json.decode(element)))
    places = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    for start, end in pairwise(places):
        reader.feed(raw[start:end])
    return found, json.loads(reader.rest())


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "PIECE", 64)


@given(data=lists, cuts=st.lists(st.integers(0, 3000), max_size=20))
def test_all_elements_come_out_once_and_in_order(data: list[Any], cuts: list[int]) -> None:
    found, rest = taken(written(data), cuts)
    assert found + rest["data"] == data
    assert {**rest, "data": []} == {"createTypes": {"data": "x"}, "data": [], **AROUND}


def test_a_long_list_is_not_kept_whole() -> None:
    raw = written([{"a": n, "b": [{"a": 1}, {"a": 2}]} for n in range(100)])
    found, rest = taken(raw, list(range(0, len(raw), 100)))
    assert len(found) > 90
    assert len(found) + len(rest["data"]) == 100


@pytest.mark.parametrize(
    "raw", [b'{"data": [{"a":1}, {"a":2}]}', b'{"data":[]}', b'{"data":null,"x":"' + b"y" * 99 + b'"}']
)
def test_what_is_written_in_another_way_stays_whole(raw: bytes) -> None:
    found, rest = taken(raw, [1, 5])
    assert (found, rest) == ([], json.loads(raw))


@given(data=lists, end=st.integers(1, 200))
def test_a_list_that_was_cut_short_is_no_list(data: list[Any], end: int) -> None:
    raw = written(data)[:-end]
    reader = Elements(lambda element: None)
    reader.feed(raw)
    with pytest.raises(ValueError, match=r".*"):
        json.loads(reader.rest())


def volumes_of(listing: Listing, raw: bytes) -> tuple[tuple[Volume, ...], tuple[wire.Broken, ...]]:
    reading = listing.reading()
    reading.feed(raw)
    return reading.finish(reading.rest())


def a_volume(name: str, **changes: Any) -> dict[str, Any]:
    body = recorded("103")["response"]["body"]
    assert isinstance(body, dict)
    return {**body, "name": name, **changes}


def test_only_volumes_that_have_changed_are_decoded_again() -> None:
    decoded: list[msgspec.Raw] = []

    def decode(raw: msgspec.Raw) -> Volume | wire.Broken:
        decoded.append(raw)
        return wire.decode_entry(raw)

    listing = Listing(decode)
    first, _ = volumes_of(listing, written([a_volume("a"), a_volume("b"), a_volume("c")]))
    second, _ = volumes_of(listing, written([a_volume("c"), a_volume("a"), a_volume("b", state="detaching")]))
    assert len(decoded) == 4
    assert [(volume.name, volume.state) for volume in second] == [
        ("c", "attached"),
        ("a", "attached"),
        ("b", "detaching"),
    ]
    assert second[1] is first[0]


def test_a_list_that_breaks_off_changes_nothing() -> None:
    listing = Listing()
    good = written([a_volume("a"), a_volume("b")])
    before = volumes_of(listing, good)
    with pytest.raises(WrongShape):
        volumes_of(listing, good[:-9])
    assert volumes_of(listing, good) == before


def test_a_broken_volume_is_said_again_at_every_list() -> None:
    listing = Listing()
    raw = written([a_volume("a"), a_volume("odd", size="big")])
    assert [broken.name for broken in volumes_of(listing, raw)[1]] == ["odd"]
    assert [broken.name for broken in volumes_of(listing, raw)[1]] == ["odd"]
