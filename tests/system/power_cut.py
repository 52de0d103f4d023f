"""A disk whose power can be cut, and a program that records onto it until then.

`python -m tests.system.power_cut DATA_DIR KIND`: a line for each frame that has
become durable, and no end.
"""

import fcntl
import itertools
import os
import struct
import subprocess
import sys
from pathlib import Path

from imagemp.recording.folder import SessionFolder
from imagemp.recording.plan import Compression, RecordingPlan, SegmentLimits
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec
from tests.recording.sessions import CONFIG, SESSION, marked, note

SPEC = FrameSpec.image((48, 64))
SIZE = 96 << 20
AHEAD = 100  # frames that may be lost; more would fill the disk
WAIT_S = 60.0
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH: what is not on the disk never comes


class Disk:
    """An ext4 in a file, mounted; root only."""

    def __init__(self, folder: Path) -> None:
        self._image, self.mount_point = folder / "disk.img", folder / "disk"
        self.mount_point.mkdir()
        with self._image.open("wb") as image:
            image.truncate(SIZE)
        run("mkfs.ext4", "-q", str(self._image))
        self.is_mounted = False

    def mount(self) -> None:
        """Mount it; the kernel replays its journal."""
        run("mount", "-o", "loop", str(self._image), str(self.mount_point))
        self.is_mounted = True

    def cut_power(self) -> None:
        """From now on nothing reaches it, not even what was written before."""
        fd = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def unmount(self) -> None:
        """Unmount it. May be called twice."""
        if self.is_mounted:
            run("umount", str(self.mount_point))
            self.is_mounted = False


def run(*command: str) -> None:
    """Run a command of the system's."""
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603


def main() -> None:
    """Record for ever, no further ahead of the disk than so many frames."""
    data_dir, kind = Path(sys.argv[1]), sys.argv[2]
    with SessionFolder.create(data_dir, "cam0", SESSION) as folder:
        note(folder.path, spec=SPEC)
        plan = RecordingPlan(
            SPEC,
            100.0,
            {"session": SESSION, "config": CONFIG},
            SegmentLimits(segment_pages=150),
            sync_ms=20,
            compression=Compression(kind),  # type: ignore[arg-type]
        )
        recording, told = Recording.create(folder.path, plan), 0
        for index in itertools.count():
            recording.append(marked(SPEC, index))
            recording.wait_durable(index - AHEAD, WAIT_S)
            if (durable := recording.durable) > told:
                told = durable
                os.write(1, f"{durable}\n".encode())


if __name__ == "__main__":
    main()
