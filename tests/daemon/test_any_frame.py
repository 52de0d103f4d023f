"""Whatever numpy can hold goes through: to the pages, and to programs outside.

A real daemon with a source of a user's class; pixels are compared, all of them.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import tifffile

from imagemp.frames import AnyArray, Frame, numpy_dtype
from imagemp.receiver import Receiver
from imagemp.recording.manifest import read_manifest
from imagemp.recording.reading import frames, read_pixels
from imagemp.spec import FrameSpec
from tests.running import Daemon, running

from . import odd_source
from .odd_source import drawn, planes_of
from .test_recording import accounts, begin, newest

N = 12
ODD = f"{odd_source.__file__}:Odd"
RECORD: list[list[Any]] = [["x", "<f4"], ["n", "<u2", [2]], ["tag", "|S3"]]
KINDS: dict[str, list[list[Any]]] = {
    "64-bytes": [["a", [64], "|u1"]],
    "1-d": [["a", [1000], "<f4"]],
    "2-d": [["a", [48, 64], "<u2"]],
    "rgb": [["a", [48, 64, 3], "|u1"]],
    "3-d": [["a", [4, 5, 6], "<i8"]],
    "4-d": [["a", [2, 3, 4, 5], "<f8"]],
    "f2": [["a", [9, 7], "<f2"]],
    "c8": [["a", [24, 32], "<c8"]],
    "c16": [["a", [2, 3, 5], "<c16"]],
    "bool": [["a", [24, 33], "|b1"]],
    "records": [["a", [10], RECORD]],
    "records-2-d": [["a", [4, 3], RECORD]],
    "planes": [
        ["left", [48, 64], "|u1"],
        ["right", [48, 64], "|u1"],
        ["depth", [24, 32], "<u2"],
        ["mask", [24, 32], "|b1"],
        ["spectrum", [129], "<c8"],
        ["marks", [5], RECORD],
    ],
}
LARGE: list[list[Any]] = [["a", [10_000, 10_000], "|u1"]]  # 100 MB
CONFIG = """
[pipelines.{name}]
source = {{ kind = "{kind}", planes = [["a", [1], "|u1"]] }}
ring = {{ slots = 64, overflow = "none" }}
encoder = {{ keep_free = "0" }}
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    toml = "".join(CONFIG.format(name=name, kind=ODD) for name in ("one", "other"))
    with running(tmp_path_factory.mktemp("daemon"), toml) as started:
        yield started


def take(
    daemon: Daemon, given: dict[str, list[list[Any]]], n: int, *overrides: str
) -> dict[str, list[Frame]]:
    """Record `n` frames of pipelines at once; give what a receiver got of each."""
    with ExitStack() as stack:
        receivers = {
            name: stack.enter_context(
                Receiver(name, "every", runtime_dir=daemon.runtime)
            )
            for name in given
        }
        begun = []
        for name, planes in given.items():
            orders = [f"source.planes={json.dumps(planes)}", *overrides]
            begun.append(begin(daemon, *orders, pipeline=name, frames=n, wait="none"))
        found = {
            name: [frame.copy() for frame in frames]
            for name, frames in receivers.items()
        }
        for session in begun:
            daemon.call("session.wait", session=session)
    return found


def check(daemon: Daemon, name: str, given: list[list[Any]], seen: list[Frame]) -> None:
    """What a receiver saw, and what two readers find in the file, is what was drawn."""
    folder, spec = newest(daemon, name), FrameSpec(planes_of(given))
    manifest = read_manifest(folder)
    assert manifest.spec == spec
    assert accounts(manifest.counts).broken() == []
    with tifffile.TiffFile(folder / "frames-0000.tif") as tiff:
        theirs = iter([page.asarray().tobytes() for page in tiff.pages])
    for frame, (file, pages) in zip(seen, frames(folder), strict=True):
        for number, (plane, page) in enumerate(zip(spec.planes, pages, strict=True)):
            expected = drawn(frame.info.seq, number, plane)
            assert_same(frame[plane.name], expected)
            assert read_pixels(file, page).tobytes() == expected.tobytes()
            raw = np.frombuffer(next(theirs), numpy_dtype(plane.dtype))
            assert_same(raw.reshape(plane.shape), expected)
    assert next(theirs, None) is None


def assert_same(found: AnyArray, expected: AnyArray) -> None:
    """The same values of the same type."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_any_frame_is_recorded_and_received_bit_by_bit(
    daemon: Daemon, kind: str
) -> None:
    seen = take(daemon, {"one": KINDS[kind]}, N)["one"]

    assert len(seen) == N
    check(daemon, "one", KINDS[kind], seen)


def test_two_pipelines_at_once_do_not_mix(daemon: Daemon) -> None:
    given = {"one": KINDS["rgb"], "other": KINDS["planes"]}

    seen = take(daemon, given, N)

    for name, planes in given.items():
        assert len(seen[name]) == N
        check(daemon, name, planes, seen[name])


@pytest.mark.system
def test_frames_of_100_mb_are_recorded_and_received(daemon: Daemon) -> None:
    seen = take(daemon, {"one": LARGE}, 6, "ring.slots=8")["one"]

    assert len(seen) == 6
    assert seen[0].image.nbytes == 100_000_000
    check(daemon, "one", LARGE, seen)
