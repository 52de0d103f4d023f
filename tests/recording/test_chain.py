"""The walk along the links believes nothing."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemp.recording.tiff.bigtiff import PageWriter
from imagemp.recording.tiff.chain import last_good, walk_pages
from imagemp.recording.tiff.pagerecord import PageRecord
from tests.recording.shots import RGBD, shot

FRAMES = 3


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chain") / "frames-0000.tif"


@pytest.fixture(scope="module")
def whole(path: Path) -> bytes:
    writer = PageWriter.create(path, RGBD.planes, "{}")
    for index in range(FRAMES):
        writer.append(shot(RGBD, index))
    writer.close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def pages(path: Path, whole: bytes) -> list[PageRecord]:
    path.write_bytes(whole)
    return list(walk_pages(path))


@given(st.data())
def test_a_file_cut_off_anywhere_has_the_pages_that_are_wholly_there(
    path: Path, whole: bytes, pages: list[PageRecord], data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:size])

    found = list(walk_pages(path))

    assert found == [page for page in pages if page.data_at + page.nbytes <= size]


@given(st.data())
def test_a_file_cut_off_anywhere_can_be_gone_on_with(
    path: Path, whole: bytes, pages: list[PageRecord], data: st.DataObject
) -> None:
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])

    writer = PageWriter.resume(path, RGBD.planes, "{}")
    frames = writer.frames
    writer.append(shot(RGBD, 9))
    writer.close()

    indexes = [page.index for page in walk_pages(path)]
    assert indexes == [page.index for page in pages[: 2 * frames]] + [9, 9]


@settings(max_examples=500)
@given(st.data())
def test_no_damage_makes_the_walk_raise_or_never_end(
    path: Path, whole: bytes, data: st.DataObject
) -> None:
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        junk = data.draw(st.binary(min_size=1, max_size=24))
        damaged[at : at + len(junk)] = junk
    path.write_bytes(damaged)

    found = list(walk_pages(path))

    ends = [0, *(page.end for page in found)]
    assert all(page.offset >= end for page, end in zip(found, ends, strict=False))
    assert all(page.data_at + page.nbytes <= len(damaged) for page in found)
    assert last_good(path).frames <= FRAMES


@given(st.binary(max_size=300))
def test_a_file_that_is_none_of_ours_has_no_pages(path: Path, junk: bytes) -> None:
    path.write_bytes(junk)

    assert list(walk_pages(path)) == []


@pytest.mark.parametrize("link", [1, 17, 2**63 - 16, 2**63, 2**64 - 16])
def test_a_link_to_nowhere_ends_the_walk(
    path: Path, whole: bytes, pages: list[PageRecord], link: int
) -> None:
    damaged = bytearray(whole)
    at = pages[1].link_at
    damaged[at : at + 8] = link.to_bytes(8, "little")
    path.write_bytes(damaged)

    assert len(list(walk_pages(path))) == 2


def test_a_link_back_ends_the_walk(
    path: Path, whole: bytes, pages: list[PageRecord]
) -> None:
    damaged, at = bytearray(whole), pages[3].link_at
    damaged[at : at + 8] = pages[1].offset.to_bytes(8, "little")
    path.write_bytes(damaged)

    assert len(list(walk_pages(path))) == 4


def test_a_file_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        last_good(tmp_path / "frames-0000.tif")
