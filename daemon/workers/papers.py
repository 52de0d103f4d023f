"""A session's folder and its manifest, as the encoder keeps them."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from typing import Any, Self

from msgspec import Struct

from imagemp.errors import DiskError, ImagempError
from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import (
    Manifest,
    RecordedFile,
    read_manifest,
    write_manifest,
)
from imagemp.recording.plan import SegmentLimits
from imagemp.spec import FrameSpec

from .orders import Finalise
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
        input: Name of the inline callback whose frames are recorded, or "".
        callbacks: Those that run in this process.
        config: The pipeline's configuration, for the manifest.
    """

    name: str
    pipeline: str
    data_dir: str
    limits: SegmentLimits
    sync_ms: int
    is_keeper: bool = True
    is_alone: bool = True
    require_mount: bool = False
    input: str = ""
    callbacks: list[CallbackPlan] = []
    config: dict[str, Any] = {}
    clock: list[tuple[int, int]] = []
    clock_synchronised: bool = False


class Papers:
    """The folder, locked until `close`, and its manifest.

    One encoder of a session keeps the manifest, which says `running` meanwhile. At
    the end the encoders add their files one after the other, the keeper last.
    """

    def __init__(self, folder: SessionFolder, plan: EncoderPlan) -> None:
        self._folder = folder
        self._is_keeper, self._is_alone = plan.is_keeper, plan.is_alone

    @classmethod
    def create(cls, plan: EncoderPlan, session: str, started_unix_ns: int) -> Self:
        """Make the folder of a new session, and its manifest.

        Raises:
            DiskError: It cannot be made, or the disk it belongs on is not there.
        """
        data_dir = Path(plan.data_dir)
        if plan.require_mount and not data_dir.is_mount():
            raise DiskError(
                f"data_dir: {data_dir} is not a mount point, and require_mount is set",
                "mount the disk, then start again",
            )
        folder = SessionFolder.create(data_dir, plan.pipeline, session)
        if not plan.is_keeper:
            return cls(folder, plan)
        manifest = Manifest(
            session=session,
            pipeline=plan.pipeline,
            state="running",
            started_unix_ns=started_unix_ns,
            clock=plan.clock,
            clock_synchronised=plan.clock_synchronised,
            config=plan.config,
        )
        write_manifest(folder.path, manifest, is_new=True)
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

    @property
    def disk_free(self) -> int:
        """Bytes that are free where the folder is."""
        return disk_usage(self.path).free

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

    def close(self) -> None:
        """Let go of the folder. May be called twice."""
        self._folder.close()


@contextmanager
def logged() -> Iterator[None]:
    """Let no trouble with the manifest out: the recording matters more."""
    try:
        yield
    except ImagempError as error:
        log.error("manifest not written: %s", error)
