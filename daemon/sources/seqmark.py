"""The seq of a frame, drawn into its pixels and read back.

The first and the last elements of the flattened array hold it, one digit of
base 256 an element, least first, 8 of them: whole numbers as they are, floats
and the real part of complex ones divided by 256 (exact), a bool one bit in 64
elements, records as their bytes. Values, not memory: a mark survives another
byte order and a wider type. A frame too small for both has only the first one,
and as many digits as fit; `seq_modulus` says where such a seq starts over.
"""

import math
from typing import Any

import numpy as np

from imagemp.frames import AnyArray

DIGITS = 8
NUMBERS = "buifc"  # dtype kinds with values of their own; others are bytes


def read_seq(array: AnyArray) -> int:
    """Give the seq drawn in this plane, modulo its `seq_modulus`.

    Raises:
        ValueError: "torn": the first and the last elements disagree, or hold no
            seq at all.
    """
    flat = flatten(array)
    n = mark_size(flat)
    head = decode(flat[:n])
    if flat.size >= 2 * n:
        tail = decode(flat[-n:])
        if head != tail:
            raise ValueError(f"torn: seq {head} at the start, {tail} at the end")
    return head


def seq_modulus(array: AnyArray) -> int:
    """Give the number that a seq drawn in this plane never reaches."""
    flat = flatten(array)
    return int((2 if flat.dtype.kind == "b" else 256) ** mark_size(flat))


def flatten(array: AnyArray) -> AnyArray:
    """Give the elements in a row; a view where the array is contiguous."""
    flat = array.reshape(-1)
    return flat if flat.dtype.kind in NUMBERS else flat.view(np.uint8)


def mark_size(flat: AnyArray) -> int:
    """How many elements a mark takes, at either end."""
    return min(DIGITS * 8 if flat.dtype.kind == "b" else DIGITS, flat.size)


def encode(seq: int, dtype: np.dtype[Any]) -> AnyArray:
    """Give the elements of a whole mark."""
    digits = np.frombuffer((seq % 256**DIGITS).to_bytes(DIGITS, "little"), np.uint8)
    if dtype.kind == "b":
        return np.unpackbits(digits, bitorder="little").view(np.bool_)
    if dtype.kind in "fc":
        return (digits / 256).astype(dtype)
    return digits.astype(dtype)


def decode(mark: AnyArray) -> int:
    """Give the number that `encode` wrote; a shorter mark gives its low part."""
    if mark.dtype.kind == "b":
        return int.from_bytes(np.packbits(mark, bitorder="little").tobytes(), "little")
    if mark.dtype.kind == "i" and mark.dtype.itemsize == 1:
        mark = mark.view(np.uint8)
    values = mark.real * 256 if mark.dtype.kind in "fc" else mark
    total = 0
    for place, value in enumerate(values.tolist()):
        if not math.isfinite(value) or value != int(value) or not 0 <= value < 256:
            raise ValueError(f"torn: {mark.tolist()} is not a seq")
        total += int(value) << 8 * place
    return total
