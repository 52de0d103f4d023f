"""How frames lie in memory, and what their specs say of it."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imagemp.errors import FrameShapeError
from imagemp.frames import (
    ALIGN,
    AnyArray,
    Frame,
    FrameInfo,
    FrameLayout,
    check_plane,
    fields_dtype,
    numpy_dtype,
    plain_dtype,
    plane_nbytes,
    spec_of,
)
from imagemp.spec import Field, FrameSpec, Plane

NESTED = np.dtype([("t", "<f8"), ("box", [("at", "<u2", (2,)), ("name", "S5")])])
TWO_PLANES = FrameSpec((Plane("rgb", (3, 5, 3), "u1"), Plane("depth", (3, 5), "<u2")))


def frame(**planes: AnyArray) -> Frame:
    return Frame(planes, FrameInfo(seq=3))


# -- dtypes


@pytest.mark.parametrize("given", ["u1", "<u2", ">f4", "?", "<c16", "S7", "<M8[ns]"])
def test_a_plain_dtype_is_a_string(given: str) -> None:
    plain = plain_dtype(np.dtype(given))

    assert isinstance(plain, str)
    assert numpy_dtype(plain) == np.dtype(given)


def test_a_nested_dtype_survives_as_lists() -> None:
    dtype = np.dtype([("a", "u1"), ("b", "<f4", (2, 3))])

    plain = plain_dtype(dtype)

    assert plain == [["a", "|u1"], ["b", "<f4", (2, 3)]]
    assert numpy_dtype(plain) == dtype


@pytest.mark.parametrize("dtype", [NESTED, np.dtype([("x", NESTED, (2,))])])
def test_records_within_records_come_back_from_a_spec_sent_as_json(dtype: Any) -> None:  # noqa: ANN401
    spec = spec_of({"image": np.zeros((2, 3), dtype)})

    sent = msgspec.json.decode(msgspec.json.encode(spec.to_plain()))

    assert numpy_dtype(FrameSpec.from_plain(sent).planes[0].dtype) == dtype


def test_a_dtype_with_gaps_between_its_fields_is_refused() -> None:
    padded = np.dtype([("flag", "u1"), ("value", "<f8")], align=True)

    with pytest.raises(FrameShapeError, match="without gaps"):
        plain_dtype(padded)


@given(hnp.array_dtypes(hnp.scalar_dtypes(), allow_subarrays=True))
def test_any_packed_record_is_said_in_a_spec_and_read_back(dtype: Any) -> None:  # noqa: ANN401
    assert numpy_dtype(plain_dtype(dtype)) == dtype


def test_user_fields_are_packed() -> None:
    fields = (Field("gain", "f8"), Field("ok", "?"), Field("pose", "<f4", (3, 3)))

    dtype = fields_dtype(fields)

    assert dtype.itemsize == 8 + 1 + 36
    assert dtype["pose"].shape == (3, 3)
    assert fields_dtype(()).itemsize == 0


# -- layout


@given(
    st.lists(
        st.tuples(hnp.array_shapes(max_side=20), hnp.scalar_dtypes()),
        min_size=1,
        max_size=4,
    )
)
def test_each_plane_has_memory_of_its_own_that_begins_on_a_cache_line(
    planes: list[tuple[tuple[int, ...], Any]],
) -> None:
    named = {f"p{n}": np.zeros(shape, dtype) for n, (shape, dtype) in enumerate(planes)}

    layout = FrameLayout.of(spec_of(named))

    ends = [0]
    for plane, start in zip(layout.spec.planes, layout.offsets, strict=True):
        assert start % ALIGN == 0
        assert ends[-1] <= start < ends[-1] + ALIGN
        ends.append(start + plane_nbytes(plane))
    assert layout.nbytes == ends[-1]


def test_views_are_the_memory_itself() -> None:
    layout = FrameLayout.of(TWO_PLANES)
    memory = np.zeros(layout.nbytes, np.uint8)

    views = layout.views(memory)
    views["depth"][2, 4] = 0x0102

    assert {n: (v.shape, v.dtype.str) for n, v in views.items()} == {
        "rgb": ((3, 5, 3), "|u1"),
        "depth": ((3, 5), "<u2"),
    }
    assert bytes(memory[-2:]) == b"\x02\x01"


def test_views_of_memory_that_is_read_only_are_read_only() -> None:
    layout = FrameLayout.of(TWO_PLANES)
    memory = np.frombuffer(bytes(layout.nbytes), np.uint8)

    views = layout.views(memory)

    with pytest.raises(ValueError, match="read-only"):
        views["rgb"][0, 0, 0] = 1


def test_a_plane_larger_than_4_gib_has_its_true_size() -> None:
    assert plane_nbytes(Plane("image", (65536, 65536, 2), "<f8")) == 2**36


# -- frames


def test_a_frame_gives_its_planes_by_name() -> None:
    rgb, depth = np.zeros((2, 2, 3)), np.ones((2, 2))

    found = frame(rgb=rgb, depth=depth)

    assert found["depth"] is depth
    assert list(found) == ["rgb", "depth"]
    assert len(found) == 2


@pytest.mark.parametrize("names", [("image", "a"), ("a", "image"), ("a", "b")])
def test_the_image_of_a_frame_is_the_plane_of_that_name_or_the_first(
    names: tuple[str, str],
) -> None:
    planes = {name: np.zeros(1) for name in names}

    found = frame(**planes).image

    assert found is planes["image" if "image" in names else names[0]]


def test_a_copy_is_writable_and_shares_no_memory() -> None:
    original = np.frombuffer(b"\1\2\3", np.uint8)

    copy = frame(image=original).copy()
    copy.image[0] = 9

    assert original.tolist() == [1, 2, 3]
    assert copy.info.seq == 3


def test_pixels_that_fit_their_plane_pass() -> None:
    check_plane(Plane("image", (2, 3), "<u2"), np.zeros((2, 3), "<u2"))


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (np.zeros((3, 2), "<u2"), r"is \(3, 2\) uint16"),
        (np.zeros((2, 3), "u1"), r"is \(2, 3\) uint8"),
        (np.zeros((2, 3, 1), "<u2"), r"is \(2, 3, 1\) uint16"),
    ],
)
def test_pixels_that_do_not_fit_are_refused_by_name_with_both_shapes(
    pixels: AnyArray, found: str
) -> None:
    with pytest.raises(FrameShapeError, match=rf"plane depth: {found}, expected"):
        check_plane(Plane("depth", (2, 3), "<u2"), pixels)
