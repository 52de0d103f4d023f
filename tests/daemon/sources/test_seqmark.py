"""Tests of the seq in the pixels."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemp.daemon.sources.seqmark import read_seq, seq_modulus
from imagemp.daemon.sources.synthetic import Pattern
from imagemp.frames import AnyArray

DTYPES = [
    *("?", "u1", "i1", "<u2", ">u2", "i2", "u4", "i4", "u8", "i8"),
    *("f2", "f4", ">f4", "f8", "c8", "c16", "S3", [("x", "<f4"), ("y", "u1")]),
]
SHAPES = [(1,), (7,), (16,), (300,), (5, 7), (48, 64, 3), (2, 3, 20, 30)]


def drawn(seq: int, shape: tuple[int, ...], dtype: Any) -> AnyArray:  # noqa: ANN401
    """Give a plane with this seq in it."""
    out = np.zeros(shape, dtype)
    Pattern(shape, out.dtype).draw(seq, out)
    return out


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_seq_comes_back_from_any_plane(
    shape: tuple[int, ...],
    dtype: Any,  # noqa: ANN401
) -> None:
    for seq in (0, 1, 127, 128, 255, 256, 65_537, 2**40 + 3):
        plane = drawn(seq, shape, dtype)
        assert read_seq(plane) == seq % seq_modulus(plane)


@given(seq=st.integers(0, 2**64 - 1))
def test_every_seq_of_64_bits_comes_back(seq: int) -> None:
    assert read_seq(drawn(seq, (4, 5), "u1")) == seq


def test_sixteen_elements_are_enough_for_any_seq() -> None:
    assert seq_modulus(np.zeros(16, np.uint8)) == 2**64
    assert seq_modulus(np.zeros(3, np.float32)) == 2**24
    assert seq_modulus(np.zeros(9, np.bool_)) == 2**9


@pytest.mark.parametrize("dtype", ["?", "u1", "<u2", "f4", "c8"])
def test_a_plane_of_two_frames_is_torn(dtype: str) -> None:
    plane, newer = drawn(41, (20, 30), dtype), drawn(42, (20, 30), dtype)

    plane[:10] = newer[:10]

    with pytest.raises(ValueError, match="torn: seq 42 at the start, 41 at the end"):
        read_seq(plane)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.3])
def test_pixels_that_are_no_seq_are_torn(value: float) -> None:
    with pytest.raises(ValueError, match="torn"):
        read_seq(np.full((5, 5), value))


def test_the_seq_survives_another_byte_order_and_a_wider_type() -> None:
    plane = drawn(123_456_789, (20, 30), "<u2")

    assert read_seq(plane.astype(">u2")) == 123_456_789
    assert read_seq(plane.astype("i8")) == 123_456_789


def test_consecutive_frames_differ_beyond_the_seq() -> None:
    one, two = drawn(1, (40, 60, 3), "u1"), drawn(2, (40, 60, 3), "u1")

    assert np.mean(one[5:-5] != two[5:-5]) > 0.9
