"""A program that records until it is killed, and says what is safe.

`python -m tests.recording.appender FOLDER KIND [LARGEST]`: a line for each frame when
it is recorded; `error ERRNO RECORDED` when the disk refuses, which it does as soon as
a file is larger than LARGEST. KIND is a compression: as many frames are in flight as
keep all threads busy.
"""

import itertools
import os
import resource
import sys
from dataclasses import replace
from pathlib import Path

from imagemp.errors import DiskError
from imagemp.recording.plan import Compression, RecordingPlan, SegmentLimits
from imagemp.recording.writer import Recording
from tests.recording.shots import RGBD, shot

PLAN = RecordingPlan(RGBD, limits=SegmentLimits(segment_pages=150), sync_ms=1)
PLANS = {
    kind: replace(PLAN, compression=Compression(kind))
    for kind in ("none", "zlib", "zstd")
}


def main() -> None:
    """Record for ever."""
    folder, kind, *largest = sys.argv[1:]
    recording = Recording.resume(Path(folder), PLANS[kind])
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest[0]),) * 2)
    try:
        record_for_ever(recording)
    except DiskError as error:
        say(f"error {error.errno} {recording.recorded}")


def record_for_ever(recording: Recording) -> None:
    """Say of each frame when it is safe."""
    for index in itertools.count(recording.next_index):
        while 0 < recording.most_in_flight <= recording.in_flight:
            if (safe := recording.settle(wait=True)) is not None:
                say(safe.info.index)
        if recording.submit(shot(recording.plan.spec, index)):
            say(index)


def say(word: object) -> None:
    """Write a line, at once."""
    os.write(1, f"{word}\n".encode())


if __name__ == "__main__":
    main()
