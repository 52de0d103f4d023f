"""However a file was cut or damaged: what is whole is saved, nothing else is shown."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagemp.recording.plan import Compression
from imagemp.spec import FrameSpec, Plane

from .ruins import FILE, Whole, check_repaired, damaged_by
from .sessions import MARKED, leave, note

FRAMES = 8
DAMAGES = 100


TWO = FrameSpec((Plane("rgb", (16, 16, 3), "u1"), Plane("depth", (16, 16), "<f4")))
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"spec": MARKED},
    "two planes, compressed": {"spec": TWO, "compression": Compression("zlib")},
}


@pytest.fixture(params=KINDS)
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    left = leave(tmp_path, range(FRAMES), **KINDS[request.param])
    note(left)
    return left


@pytest.fixture
def whole(folder: Path) -> Whole:
    return Whole.of(folder / FILE)


def cuts(whole: Whole) -> range:
    """Give each size that ends within the last two pages."""
    return range(whole.pages[-2].offset, len(whole.data))


def check_cut(folder: Path, whole: Whole, size: int, *, outside: bool) -> None:
    """Cut a file, and have the session repaired."""
    (folder / FILE).write_bytes(whole.data[:size])
    note(folder)
    check_repaired(folder, whole.survivors(whole.data[:size]), outside=outside)


def check_damage(folder: Path, whole: Whole, seed: int, *, outside: bool) -> None:
    """Damage a file, and have the session repaired."""
    damaged = damaged_by(np.random.default_rng(seed), whole.data)
    (folder / FILE).write_bytes(damaged)
    note(folder)
    check_repaired(folder, whole.survivors(damaged), outside=outside)
    (folder / FILE).with_suffix(".tif.damaged").unlink(missing_ok=True)


def test_a_file_cut_anywhere_keeps_its_whole_frames(folder: Path, whole: Whole) -> None:
    for size in cuts(whole)[::149]:
        check_cut(folder, whole, size, outside=False)
    check_cut(folder, whole, cuts(whole)[600], outside=True)


def test_a_damaged_file_keeps_what_was_not_touched(folder: Path, whole: Whole) -> None:
    for seed in range(8):
        check_damage(folder, whole, seed, outside=False)
    check_damage(folder, whole, 99, outside=True)


@pytest.mark.system
@pytest.mark.timeout(600)
def test_a_file_cut_at_every_byte_of_two_pages_keeps_its_whole_frames(
    folder: Path, whole: Whole
) -> None:
    for size in cuts(whole):
        check_cut(folder, whole, size, outside=True)


@pytest.mark.system
@pytest.mark.timeout(600)
def test_a_hundred_damages_leave_what_was_not_touched(
    folder: Path, whole: Whole
) -> None:
    for seed in range(DAMAGES):
        check_damage(folder, whole, seed, outside=True)
