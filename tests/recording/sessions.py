"""Sessions as encoders leave them, and what may be read out of them."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from imagemp.counts import Counts
from imagemp.daemon.sources.seqmark import encode, flatten, mark_size, read_seq
from imagemp.frames import Frame, FrameInfo, numpy_dtype
from imagemp.recording.disk import write_all
from imagemp.recording.folder import session_path
from imagemp.recording.manifest import Manifest, State, read_manifest, write_manifest
from imagemp.recording.plan import RecordingPlan
from imagemp.recording.reading import frames, read_pixels
from imagemp.recording.tiff.chain import walk_pages
from imagemp.recording.tiff.pagerecord import PageRecord
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec

SESSION = "20261120T101500Z-cam0-7f3a"
BEGAN_NS = 1_795_169_700_000_000_000  # what the name says
MARKED = FrameSpec.image((16, 16))
MS = 10**6
CONFIG: dict[str, Any] = {"encoder": [{"name": "main"}], "callbacks": []}


def marked(spec: FrameSpec, index: int, seq: int | None = None) -> Frame:
    """Give a frame with its seq drawn into each plane; one in three was dropped."""
    seq = index * 3 // 2 if seq is None else seq
    planes = {}
    for plane in spec.planes:
        array = np.full(plane.shape, seq % 97, numpy_dtype(plane.dtype))
        mark, n = encode(seq, flatten(array).dtype), mark_size(flatten(array))
        flatten(array)[:n] = flatten(array)[-n:] = mark[:n]
        planes[plane.name] = array
    t = index * 10 * MS
    fields = {f.name: np.array(index).astype(f.dtype)[()] for f in spec.fields}
    return Frame(
        planes,
        FrameInfo(
            seq, index, 5 * MS + t, 6 * MS + t, BEGAN_NS + t, missed_before=index % 2,
            fields=fields,
        ),
    )  # fmt: skip


def leave(
    data_dir: Path,
    indexes: Iterable[int],
    spec: FrameSpec = MARKED,
    encoder: str = "main",
    **more: Any,  # noqa: ANN401 - for the plan: `limits`, `compression`
) -> Path:
    """Record as an encoder does, and give the folder; nobody writes a manifest."""
    folder = session_path(data_dir, "cam0", SESSION)
    folder.mkdir(parents=True, exist_ok=True)
    told = {"session": SESSION, "config": more.pop("config", CONFIG)}
    plan = RecordingPlan(spec, 100.0, told, name=encoder, **more)
    with Recording.create(folder, plan) as recording:
        for index in indexes:
            recording.append(marked(spec, index))
    return folder


def note(
    folder: Path,
    state: State = "running",
    **more: Any,  # noqa: ANN401 - for the manifest: `files`, `counts`, `config`
) -> Manifest:
    """Write the manifest that goes with it."""
    told: dict[str, Any] = {"config": CONFIG, "spec": MARKED, **more}
    manifest = Manifest(SESSION, "cam0", state, BEGAN_NS, **told)
    write_manifest(folder, manifest)
    return manifest


def seqs(folder: Path, encoder: str = "main") -> list[int]:
    """Give the seq of each frame; pixels and stamp must tell the same."""
    found = []
    for path, frame in frames(folder, encoder):
        for page in frame:
            assert read_seq(read_pixels(path, page)) == page.seq
        found.append(frame[0].seq)
    return found


def rows(folder: Path, name: str = "frames.csv") -> list[dict[str, str]]:
    """Give the rows of a frame log."""
    header, *lines = (folder / name).read_text().splitlines()
    return [
        dict(zip(header.split(","), line.split(","), strict=True)) for line in lines
    ]


def contents(folder: Path) -> dict[str, bytes]:
    """Give all files with all their bytes."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def pages_of(path: Path) -> list[PageRecord]:
    """Give the pages that links lead to."""
    return list(walk_pages(path))


def spoil(path: Path, at: int, text: bytes = b"\xff\xff") -> None:
    """Write over a part of a file."""
    fd = os.open(path, os.O_RDWR)
    write_all(fd, [text], at)
    os.close(fd)


def law(folder: Path) -> Counts:
    """Read the counts of the manifest; they must close."""
    counts = msgspec.convert(read_manifest(folder).counts, Counts)
    assert counts.broken() == []
    return counts
