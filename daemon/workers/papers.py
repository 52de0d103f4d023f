"""A session's folder and its manifest, as the encoder keeps them."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from msgspec import Struct

from imagemp.errors import DiskError, ImagempError
from imagemp.recording.disk import cause_of
from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import (
    MANIFEST,
    Manifest,
    RecordedFile,
    read_manifest,
    write_manifest,
)
from imagemp.recording.plan import (
    UNCOMPRESSED,
    Compression,
    RecordingPlan,
    SegmentLimits,
    VideoPlan,
)
from imagemp.recording.room import NoRoomError, RoomPlan
from imagemp.recording.video.coder import prepare
from imagemp.spec import FrameSpec

from .orders import Failed, Finalise, OpenSession
from .user_code import CallbackPlan

log = logging.getLogger(__name__)


class EncoderPlan(Struct, frozen=True):
    """What to record, where and how.

    Attributes:
        name: The encoder's.
        is_keeper: It makes the session's manifest, and is the last to write in it.
        is_alone: No other encoder writes in the session's folder.
        data_dir: Where all recordings are.
        limits: When to begin a new file.
        sync_ms: How often the disk is asked to have it all.
        compression: Of the pages.
        video: What to make instead of pages; None: pages.
        require_mount: Nothing may be written while `data_dir` is no mount point.
        room: What must stay free, and what all sessions may have.
        input: Name of the inline callback whose frames are recorded, or "".
        callbacks: Those that run in this process.
        config: The pipeline's configuration, for the manifest.
        is_armed: Triggers say what is recorded.
        pre_s: How far they reach back.
    """

    name: str
    pipeline: str
    data_dir: str
    limits: SegmentLimits
    sync_ms: int
    compression: Compression = UNCOMPRESSED
    video: VideoPlan | None = None
    is_keeper: bool = True
    is_alone: bool = True
    require_mount: bool = False
    room: RoomPlan = RoomPlan()
    input: str = ""
    callbacks: list[CallbackPlan] = []
    config: dict[str, Any] = {}
    clock: list[tuple[int, int]] = []
    clock_synchronised: bool = False
    is_armed: bool = False
    pre_s: float = 0.0

    def recording(self, spec: FrameSpec, fps: float, session: str) -> RecordingPlan:
        """Give what the recording of a session is told."""
        about = {"session": session, "pipeline": self.pipeline, "config": self.config}
        return RecordingPlan(
            spec,
            fps,
            about,
            self.limits,
            self.name,
            self.sync_ms,
            self.compression,
            self.video,
        )


class Papers:
    """The folder, locked until `close`, and its manifest.

    One encoder of a session keeps the manifest, which says `running` meanwhile. At
    the end the encoders add their files one after the other, the keeper last.
    """

    def __init__(self, folder: SessionFolder, plan: EncoderPlan) -> None:
        self._folder = folder
        self._is_keeper, self._is_alone = plan.is_keeper, plan.is_alone

    @classmethod
    def create(cls, plan: EncoderPlan, order: OpenSession) -> Self:
        """Make the folder of a new session, and its manifest.

        A process that died before this one may have come as far.

        Raises:
            DiskError: It cannot be made.
        """
        folder = SessionFolder.create(Path(plan.data_dir), plan.pipeline, order.session)
        try:
            if plan.is_keeper:
                first = first_manifest(plan, order)
                write_manifest(folder.path, first, is_new=not order.again)
        except DiskError:
            folder.close()  # its lock would keep recovery from it
            raise
        return cls(folder, plan)

    @classmethod
    def resume(cls, plan: EncoderPlan, session: str) -> Self:
        """Take over the folder of a session whose encoder died.

        Raises:
            DiskError: It is gone.
        """
        folder = SessionFolder.open(Path(plan.data_dir) / plan.pipeline / session)
        return cls(folder, plan)

    @property
    def path(self) -> Path:
        """The session's folder."""
        return self._folder.path

    def spec(self) -> FrameSpec | None:
        """Read what the keeper's frames look like, once that is known; None to others.

        Raises:
            RecordingError: The manifest cannot be read.
        """
        return read_manifest(self.path).spec if self._is_keeper else None

    def note_spec(self, spec: FrameSpec) -> None:
        """The recorded frames look like this."""
        if not self._is_keeper:
            return
        manifest = read_manifest(self.path)
        if manifest.spec is None:
            manifest.spec = spec
            write_manifest(self.path, manifest)

    def finalise(self, order: Finalise, files: list[RecordedFile]) -> None:
        """Add this encoder's files; and all else, if the order is the last."""
        if order.is_void and order.state != "running" and self._remove():
            return
        with logged():
            manifest = read_manifest(self.path)
            manifest.files = [*manifest.files, *files]
            if order.state != "running":
                manifest.clock, manifest.events = order.clock, order.events
                manifest.ended_unix_ns = order.ended_unix_ns
                manifest.state, manifest.counts = order.state, order.counts
            write_manifest(self.path, manifest)

    def abandon(self, counts: dict[str, Any], files: list[RecordedFile]) -> None:
        """Nobody is left to finalise the session: say what is known.

        Among several encoders none knows enough; recovery will say it from the files.
        """
        if not self._is_alone:
            return
        with logged():
            manifest = read_manifest(self.path)
            if manifest.state == "running":
                manifest.ended_unix_ns = time.time_ns()
                manifest.state, manifest.counts = "incomplete", counts
                manifest.files = files
                write_manifest(self.path, manifest)

    def _remove(self) -> bool:
        """Remove the folder; it stays if there is more in it than a manifest."""
        with suppress(OSError):
            if [path.name for path in self.path.iterdir()] == [MANIFEST]:
                (self.path / MANIFEST).unlink()
                self.path.rmdir()
                return True
        return False

    def close(self) -> None:
        """Let go of the folder. May be called twice."""
        self._folder.close()


def first_manifest(plan: EncoderPlan, order: OpenSession) -> Manifest:
    """Give the manifest of a session that begins."""
    return Manifest(
        session=order.session,
        pipeline=plan.pipeline,
        state="running",
        started_unix_ns=order.started_unix_ns,
        clock=plan.clock,
        clock_synchronised=plan.clock_synchronised,
        config=plan.config,
    )


def check_needs(plan: EncoderPlan) -> None:
    """Refuse to write where a disk should be, or a video without what makes it.

    Raises:
        ConfigError: PyAV is not installed, or has not this codec.
        DiskError: The disk is not there.
    """
    if plan.video is not None:
        prepare(plan.video)
    if plan.require_mount and not Path(plan.data_dir).is_mount():
        raise DiskError(
            f"data_dir: {plan.data_dir} is not a mount point, and require_mount is set",
            "mount the disk, then start again",
        )


def refusal(session: str, error: Exception) -> Failed:
    """Say why a session cannot begin."""
    if not isinstance(error, ImagempError):
        log.error("session cannot begin", exc_info=error)
        return Failed(session, "E_CALLBACK", str(error), cause="undrained")
    reason = error.reason if isinstance(error, NoRoomError) else ""
    cause = cause_of(error) if isinstance(error, DiskError) else "undrained"
    return Failed(session, error.code, str(error), error.hint, reason, cause)


@contextmanager
def logged() -> Iterator[None]:
    """Let no trouble with the manifest out: the recording matters more."""
    try:
        yield
    except ImagempError as error:
        log.error("manifest not written: %s", error)
