"""Whatever the sizes, nothing in a ring lies on top of anything else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemp.errors import RingError
from imagemp.ring.layout import (
    CELLS,
    DESC,
    DROP_CAUSES,
    DROPPED,
    FIRST_CELL,
    HEADER,
    LATE,
    MAX_SLOTS,
    MISS_CAUSES,
    MISSED,
    PAGE,
    RELEASED,
    Geometry,
    overflow_slots,
)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Give sizes from one slot of nothing to the limit."""
    slots = draw(st.integers(1, 300) | st.integers(1, MAX_SLOTS))
    kind = draw(st.sampled_from(["none", "memory", "disk"]))
    overflow = 0 if kind == "none" else draw(st.integers(0, MAX_SLOTS - slots))
    sizes = st.integers(0, 3 * PAGE) | st.integers(0, 2**32)
    return Geometry(slots, overflow, draw(sizes), draw(st.integers(0, 500)), kind)


@given(geometries(), st.data())
def test_two_slots_never_overlap(g: Geometry, data: st.DataObject) -> None:
    slot = st.integers(0, g.total - 1)
    a, b = sorted((data.draw(slot), data.draw(slot)))

    in_file_a, start_a = g.slot_at(a)
    in_file_b, start_b = g.slot_at(b)

    if a < b and in_file_a == in_file_b:
        assert start_a + g.slot_nbytes <= start_b
        assert g.desc_at(a) + DESC.size + g.fields_nbytes <= g.desc_at(b)


@given(geometries())
def test_header_desc_order_and_slots_follow_one_another(g: Geometry) -> None:
    last_desc = g.desc_at(g.total - 1)

    assert FIRST_CELL + 8 * CELLS <= HEADER == g.desc_at(0)
    assert last_desc + g.desc_stride <= g.order_offset
    assert g.order_offset + 4 * (g.mask + 1) <= g.slots_offset
    assert g.slots_offset + g.slots * g.slot_nbytes <= g.ram_end <= g.memory_nbytes


@given(geometries())
def test_the_last_slot_ends_inside_its_memory(g: Geometry) -> None:
    in_file, start = g.slot_at(g.total - 1)

    assert start + g.slot_nbytes <= (g.file_nbytes if in_file else g.memory_nbytes)
    assert in_file == (g.overflow_kind == "disk" and g.overflow > 0)


@given(geometries())
def test_order_has_room_for_every_slot_and_its_length_is_a_power_of_two(
    g: Geometry,
) -> None:
    assert g.mask + 1 >= g.total
    assert g.mask & (g.mask + 1) == 0


@given(geometries())
def test_cells_order_and_slots_are_aligned_for_single_stores(g: Geometry) -> None:
    assert FIRST_CELL % 8 == 0
    assert g.order_offset % 4 == 0
    assert all(g.desc_at(slot) % 64 == 0 for slot in (0, g.total - 1))
    assert all(g.slot_at(slot)[1] % PAGE == 0 for slot in (0, g.total - 1))


@given(geometries())
def test_a_header_tells_the_sizes_it_was_given(g: Geometry) -> None:
    header = bytearray(HEADER)

    g.write(header)

    assert Geometry.read(header) == g
    assert not any(header[FIRST_CELL:])


def test_the_cells_do_not_overlap() -> None:
    assert LATE < DROPPED
    assert DROPPED + len(DROP_CAUSES) <= MISSED
    assert MISSED + len(MISS_CAUSES) <= RELEASED < CELLS


@pytest.mark.parametrize(("slots", "overflow"), [(0, 5), (-1, 0), (65535, 1)])
def test_a_ring_has_1_to_65535_slots(slots: int, overflow: int) -> None:
    with pytest.raises(RingError, match=r"ring\.slots"):
        Geometry(slots, overflow, 64)


@pytest.mark.parametrize(
    ("changed", "message"),
    [({0: ord("x")}, "not a ring"), ({8: 2}, "ring of version 2, this is 1")],
)
def test_a_strange_header_is_refused(changed: dict[int, int], message: str) -> None:
    header = bytearray(HEADER)
    Geometry(4, 0, 64).write(header)
    for at, value in changed.items():
        header[at] = value

    with pytest.raises(RingError, match=message):
        Geometry.read(header)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0, 64, 4), 0),
        ((PAGE - 1, 64, 4), 0),
        ((10 * PAGE, 64, 4), 10),
        ((10 * PAGE, PAGE + 1, 4), 5),
        ((2**50, 64, 4), MAX_SLOTS - 4),
    ],
)
def test_an_overflow_holds_whole_slots_up_to_the_limit(
    arguments: Any,  # noqa: ANN401 - three numbers
    expected: int,
) -> None:
    assert overflow_slots(*arguments) == expected
