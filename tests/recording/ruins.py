"""A recording of small frames, ways to damage it, and what must be left of it."""

import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from imagemp.daemon.sources.seqmark import read_seq
from imagemp.recording.mend.repairing import repair_session
from imagemp.recording.stamp import STAMP
from imagemp.recording.tiff.chain import walk_pages
from imagemp.recording.tiff.pagerecord import PageRecord
from imagemp.recording.tiff.tags import LINK

from .sessions import contents, seqs

FILE = "frames-0000.tif"
TIFFINFO = shutil.which("tiffinfo")


@dataclass(frozen=True)
class Whole:
    """A file before it was damaged."""

    data: bytes
    pages: list[PageRecord]

    @classmethod
    def of(cls, path: Path) -> "Whole":
        """Read it."""
        return cls(path.read_bytes(), list(walk_pages(path)))

    def survivors(self, damaged: bytes) -> list[int]:
        """Give the seq of each frame of which nothing but links was touched."""
        found: dict[int, int] = {}
        for page in self.pages:
            link, end = page.link_at, page.data_at + page.nbytes
            same = all(
                self.data[a:b] == damaged[a:b]
                for a, b in ((page.offset, link), (link + LINK.size, end))
            )
            found[page.seq] = found.get(page.seq, 0) + same
        return [seq for seq, n in found.items() if n == self.pages[0].planes]


def damaged_by(chance: np.random.Generator, data: bytes) -> bytes:
    """Give a copy with one to three things done to it that happen to files."""
    made = bytearray(data)
    for _ in range(chance.integers(1, 4)):
        at = int(chance.integers(0, len(made)))
        kind = chance.integers(0, 5)
        if kind == 0:
            made[at] ^= 1 << int(chance.integers(0, 8))
        elif kind == 1:
            made[at : at + 40] = chance.bytes(len(made[at : at + 40]))
        elif kind == 2:
            at -= at % 512
            made[at : at + 512] = bytes(len(made[at : at + 512]))
        elif kind == 3:
            del made[at : at + 16]
        else:
            other = int(chance.integers(0, len(made)))
            moved = made[other : other + 256]
            made[at : at + len(moved)] = moved
    return bytes(made)


def check_repaired(folder: Path, expected: list[int], *, outside: bool) -> None:
    """Repair a session; just these frames are in it, whoever reads it."""
    repair_session(folder)

    assert seqs(folder) == expected
    left = contents(folder)
    assert repair_session(folder).steps == []
    assert contents(folder) == left
    path = folder / FILE
    if outside and path.exists():
        pages = len(list(walk_pages(path)))
        assert list(dict.fromkeys(seen_by_tifffile(path))) == expected
        assert list(dict.fromkeys(seen_by_pillow(path))) == expected
        assert TIFFINFO is None or seen_by_libtiff(path) == pages


def seen_by_tifffile(path: Path) -> Iterator[int]:
    """Give the seq in the pixels of each page; its stamp must have the same."""
    with tifffile.TiffFile(path) as file:
        for page in file.pages:
            stamp = page.tags[65100].value  # type: ignore[union-attr]
            seq = read_seq(page.asarray())
            assert STAMP.unpack_from(bytes(stamp))[0] == seq
            yield seq


def seen_by_pillow(path: Path) -> Iterator[int]:
    """Give the seq in the pixels of each page."""
    with warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            yield read_seq(np.asarray(image))


def seen_by_libtiff(path: Path) -> int:
    """Give how many pages there are; libtiff must find nothing wrong with them."""
    command = [str(TIFFINFO), "-D", str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    unknown = r"TIFFReadDirectory: Warning, Unknown field with tag 65100 .*\n"
    assert re.sub(unknown, "", told.stderr) == ""
    return told.stdout.count("TIFF Directory at")
