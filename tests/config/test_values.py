"""Sizes as text, and how many bytes a number type has."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemp.config import SyntheticSource, format_size, parse, parse_size
from imagemp.config.values import itemsize

from .texts import SOURCE, refusal

NUMBERS = [
    *("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"),
    *("f2", "f4", "f8", "c8", "c16", "b1", "?"),
]
ORDERED = [order + number for order in ("", "<", ">", "|", "=") for number in NUMBERS]
NO_DTYPE = [
    *("O", "object", "U4", "S4", "V4", "M8[s]", "m8", "u3", "f1", "c4", "c32", "f16"),
    *("", "u", "1", "<bool", "u1 ", "u1,u1", "(2,)u1", "<<u2", "u\u0661"),
]


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("0", 0),
        ("0.0", 0),
        ("12 B", 12),
        ("500 MB", 500_000_000),
        ("500MB", 500_000_000),
        ("1.5 kB", 1500),
        ("2 GiB", 2 * 2**30),
        (" 2 gib ", 2 * 2**30),
        ("3.9 GiB", int(3.9 * 2**30)),
        ("1 TiB", 2**40),
        ("1 TB", 10**12),
    ],
)
def test_a_size_is_read_with_its_unit(text: str, nbytes: int) -> None:
    assert parse_size(text) == nbytes


@pytest.mark.parametrize(
    "text", ["", "5", "2 G", "-1 GiB", "GiB", "1e3 MB", "2 iB", "nan", "1,5 GB", "٣ GB"]
)
def test_what_is_no_size_is_refused_with_what_was_found(text: str) -> None:
    with pytest.raises(ValueError, match="must be a size such as") as refusal:
        parse_size(text)

    assert str(refusal.value).endswith(f"is {text!r}")


def test_a_size_beyond_all_disks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be at most 1048576\.0 TiB"):
        parse_size("99999999 TiB")


@given(st.integers(0, 10**15))
def test_a_size_that_was_written_is_read_back_within_five_percent(
    nbytes: int,
) -> None:
    again = parse_size(format_size(nbytes))

    assert abs(again - nbytes) <= nbytes / 20


@given(st.text(max_size=20))
def test_any_text_is_a_size_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_size(text) >= 0


@pytest.mark.parametrize("dtype", [*ORDERED, "bool"])
def test_a_number_type_is_as_large_as_numpy_has_it(dtype: str) -> None:
    source = parse(f'{SOURCE}dtype = "{dtype}"').pipelines["cam0"].source

    assert isinstance(source, SyntheticSource)
    assert itemsize(source.dtype) == np.dtype(dtype).itemsize


@pytest.mark.parametrize("dtype", NO_DTYPE)
def test_what_is_no_number_type_is_refused(dtype: str) -> None:
    expected = "must be one of u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8 c8 c16 bool"

    assert expected in refusal(f'{SOURCE}dtype = "{dtype}"')
