"""What a user of a Pi's camera meets first, told so that it helps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagemp.daemon.sources.pi_errors import (
    WHO_HAS_IT,
    explained,
    why_no_memory,
    why_none,
    why_taken,
)
from imagemp.daemon.sources.pi_settings import PiSettings
from imagemp.errors import SourceError

PROC = Path("/proc")


def test_who_has_a_camera_open_is_named(tmp_path: Path) -> None:
    node = tmp_path / "video0"
    text = (
        f"import sys; f = open({str(node)!r}, 'w'); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-c", text, "old-one"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        holder.stdout.readline()

        told = why_taken(PROC, (f"{tmp_path}/video",))

        holder.communicate(b"\n")
    assert told.startswith(f"a camera is open in {sys.executable} -c import sys")
    assert told.endswith(f"(pid {holder.pid})")
    assert why_taken(PROC, (f"{tmp_path}/video",)) == WHO_HAS_IT


def test_a_camera_without_memory_says_how_much_it_needs_and_where_to_set_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nCmaFree:      2048 kB\n")
    needed = PiSettings(width=1920, height=1080, format="rgb", buffers=4).buffers_nbytes

    told = why_no_memory(needed, tmp_path / "meminfo")

    assert needed == 4 * 1920 * 1080 * 3
    assert "take 24300 kB of contiguous memory (CMA) at least, 2048 kB is free" in told
    assert "cma-256 in /boot/firmware/config.txt" in told


@pytest.mark.parametrize(
    ("asked", "nbytes"), [("grey", 12), ("yuv420", 12), ("rgb", 24), ("raw", 16)]
)
def test_what_buffers_take_depends_on_the_format(asked: str, nbytes: int) -> None:
    settings = PiSettings(width=64, height=32, format=asked, buffers=2)  # type: ignore[arg-type]

    assert settings.buffers_nbytes == 2 * 64 * 32 * nbytes // 8


@pytest.mark.parametrize(
    "error", [MemoryError("no"), RuntimeError("Failed to allocate buffers")]
)
def test_memory_is_told_of_however_it_is_raised(error: Exception) -> None:
    with pytest.raises(SourceError) as told, explained("camera 0", 1 << 20):
        raise error

    assert "contiguous memory" in told.value.hint


def test_a_refused_control_blames_nobody() -> None:
    with (
        pytest.raises(SourceError, match="controls: no such") as told,
        explained("controls"),
    ):
        raise RuntimeError("no such control")

    assert told.value.hint == ""


def test_no_camera_says_what_to_look_at(tmp_path: Path) -> None:
    told = why_none(tmp_path)

    for word in ("cable", "camera_auto_detect=1", "dtoverlay", "config.txt"):
        assert word in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open them")
def test_a_node_that_is_not_ours_to_open_names_the_group(tmp_path: Path) -> None:
    (tmp_path / "media0").touch(0)

    assert why_none(tmp_path) == "the daemon's user must be in group video"
