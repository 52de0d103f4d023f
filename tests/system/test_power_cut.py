"""A power cut takes nothing that was durable, and what is left can be repaired."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from imagemp.counts import Counts
from imagemp.recording.folder import session_path
from imagemp.recording.manifest import read_manifest
from imagemp.recording.mend.repairing import repair_session
from imagemp.recording.mend.verifying import verify
from tests.recording.ruins import TIFFINFO, seen_by_libtiff, seen_by_tifffile
from tests.recording.sessions import SESSION, seqs

from .power_cut import Disk

ROOT = Path(__file__).parent.parent.parent
TIMES = 4  # for each way to compress
pytestmark = pytest.mark.system


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.unmount()


def record_until_power_is_cut(disk: Disk, kind: str, lines: int) -> int:
    """Record for so many syncs and cut the power; give how much was durable."""
    command = [sys.executable, "-m", "tests.system.power_cut"]
    with subprocess.Popen(  # noqa: S603 - our own
        [*command, str(disk.mount_point), kind], stdout=subprocess.PIPE, cwd=ROOT,
        stderr=subprocess.DEVNULL,
    ) as writer:  # fmt: skip
        assert writer.stdout is not None
        durable = [int(writer.stdout.readline()) for _ in range(lines)][-1]
        disk.cut_power()
        writer.kill()
    return durable


@pytest.mark.parametrize("time", range(TIMES))
@pytest.mark.parametrize("kind", ["none", "zlib", "zstd"])
def test_nothing_durable_is_lost_with_the_power(
    disk: Disk, kind: str, time: int
) -> None:
    disk.mount()
    lines = int(np.random.default_rng(time).integers(1, 40))
    durable = record_until_power_is_cut(disk, kind, lines)
    disk.unmount()
    disk.mount()
    folder = session_path(disk.mount_point, "cam0", SESSION)

    repair_session(folder, thorough=False)

    found = seqs(folder)
    assert len(found) >= durable
    assert found == [index * 3 // 2 for index in range(len(found))]
    assert verify(folder).problems == []
    assert msgspec.convert(read_manifest(folder).counts, Counts).broken() == []
    for path in sorted(folder.glob("*.tif")):
        pages = len(list(seen_by_tifffile(path)))
        assert TIFFINFO is None or seen_by_libtiff(path) == pages
