"""The snapshot chain: arithmetic of layers, and whether data is in a backup."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from lhbackupd.simulator.chain import HEAD, Chain
from lhbackupd.simulator.extents import BLOCK, over, put, size

AT = datetime(2026, 1, 1, tzinfo=UTC)
BLOCKS = 24
places = st.tuples(st.integers(0, BLOCKS - 1), st.integers(1, BLOCKS), st.integers(1, 99)).map(
    lambda t: (t[0] * BLOCK, min(BLOCKS, t[0] + t[1]) * BLOCK, t[2])
)


def pixels(extents: tuple[tuple[int, int, int], ...]) -> dict[int, int]:
    return {block: number for first, behind, number in extents for block in range(first // BLOCK, behind // BLOCK)}


@given(st.lists(places, max_size=8), places)
def test_putting_an_extent_is_painting_its_blocks(base: list[tuple[int, int, int]], top: tuple[int, int, int]) -> None:
    canvas: tuple[tuple[int, int, int], ...] = ()
    for extent in base:
        canvas = put(canvas, extent)
    assert pixels(put(canvas, top)) == pixels(canvas) | pixels((top,))
    assert size(canvas) == len(pixels(canvas)) * BLOCK


@given(st.lists(places, max_size=6), st.lists(places, max_size=6))
def test_a_layer_hides_what_lies_below_it(below: list[tuple[int, int, int]], above: list[tuple[int, int, int]]) -> None:
    a: tuple[tuple[int, int, int], ...] = ()
    b: tuple[tuple[int, int, int], ...] = ()
    for extent in below:
        a = put(a, extent)
    for extent in above:
        b = put(b, extent)
    assert pixels(over(a, b)) == pixels(a) | pixels(b)


class Chains(RuleBasedStateMachine):
    """A chain beside a model that keeps every snapshot's whole content."""

    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.chain = Chain(AT)
        self.present: dict[int, int] = {}
        self.contents: dict[str, dict[int, int]] = {}
        self.count = 0

    @rule(block=st.integers(0, BLOCKS - 1), length=st.integers(1, 6))
    def write(self, block: int, length: int) -> None:
        self.count += 1
        self.chain.write(block * BLOCK + 7, length * BLOCK - 7, self.count)
        self.present.update(dict.fromkeys(range(block, block + length), self.count))

    @rule(target=names)
    def take(self) -> str:
        self.count += 1
        name = f"s{self.count}"
        self.chain.take(name, {}, AT)
        self.contents[name] = dict(self.present)
        return name

    @rule(name=names)
    def remove(self, name: str) -> None:
        self.chain.remove(name)

    @rule()
    def purge(self) -> None:
        for gone in self.chain.purge():
            del self.contents[gone]

    @rule(name=names)
    def revert(self, name: str) -> None:
        if name in self.chain.layers:
            self.chain.revert(name, AT)
            self.present = dict(self.contents[name])

    @invariant()
    def content_is_what_was_written(self) -> None:
        assert pixels(self.chain.content()) == self.present
        assert {name: pixels(self.chain.content(name)) for name in self.chain.layers} == self.contents

    @invariant()
    def the_layer_below_the_head_stays(self) -> None:
        assert self.chain.head_parent == "" or self.chain.head_parent in self.chain.layers
        if self.chain.head_parent:
            assert HEAD in self.chain.children(self.chain.head_parent)


Chains.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestChains = Chains.TestCase


def test_rewriting_a_block_does_not_grow_the_head_and_a_snapshot_empties_it() -> None:
    chain = Chain(AT)
    assert chain.write(0, 20 * 2**20, 1) == 20 * 2**20
    assert chain.write(0, 20 * 2**20, 2) == 0
    assert chain.write(20 * 2**20, 100, 3) == BLOCK
    assert size(chain.take("s", {}, AT).data) == 20 * 2**20 + BLOCK
    assert size(chain.head) == 0


def test_a_purge_merges_a_removed_snapshot_into_its_child() -> None:
    chain = Chain(AT)
    chain.write(0, 5 * BLOCK, 1)
    chain.take("s1", {}, AT)
    chain.write(4 * BLOCK, 2 * BLOCK, 2)
    chain.take("s2", {}, AT)
    chain.remove("s1")
    assert chain.purge() == ["s1"]
    assert size(chain.layers["s2"].data) == 6 * BLOCK
    chain.remove("s2")
    assert chain.purge() == []
    assert chain.layers["s2"].removed
