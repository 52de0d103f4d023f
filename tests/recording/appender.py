"""A program that records until it is killed, and says what is safe.

`python -m tests.recording.appender FOLDER [LARGEST]`: a line for each frame when
`append` has returned; `error ERRNO RECORDED` when the disk refuses, which it does
as soon as a file is larger than LARGEST.
"""

import itertools
import os
import resource
import sys
from pathlib import Path

from imagemp.errors import DiskError
from imagemp.recording.plan import RecordingPlan, SegmentLimits
from imagemp.recording.writer import Recording
from tests.recording.shots import RGBD, shot

PLAN = RecordingPlan(RGBD, limits=SegmentLimits(segment_pages=150), sync_ms=1)


def main() -> None:
    """Record for ever."""
    folder, *largest = sys.argv[1:]
    recording = Recording.resume(Path(folder), PLAN)
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest[0]),) * 2)
    for index in itertools.count(recording.next_index):
        try:
            recording.append(shot(RGBD, index))
        except DiskError as error:
            os.write(1, f"error {error.errno} {recording.recorded}\n".encode())
            return
        os.write(1, f"{index}\n".encode())


if __name__ == "__main__":
    main()
