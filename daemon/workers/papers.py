"""A session's folder and its manifest, as the encoder keeps them."""

import logging
import time
from pathlib import Path
from shutil import disk_usage
from typing import Any, Self

from msgspec import Struct

from imagemp.errors import DiskError
from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import (
    Manifest,
    RecordedFile,
    State,
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
    require_mount: bool = False
    input: str = ""
    callbacks: list[CallbackPlan] = []
    config: dict[str, Any] = {}
    clock: list[tuple[int, int]] = []
    clock_synchronised: bool = False


class Papers:
    """The folder is locked and the manifest says `running` until `close`."""

    def __init__(self, folder: SessionFolder, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest

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
        manifest = Manifest(
            session=session,
            pipeline=plan.pipeline,
            state="running",
            started_unix_ns=started_unix_ns,
            clock=plan.clock,
            clock_synchronised=plan.clock_synchronised,
            config=plan.config,
        )
        write_manifest(folder.path, manifest)
        return cls(folder, manifest)

    @classmethod
    def resume(cls, plan: EncoderPlan, session: str) -> Self:
        """Take over the folder of a session whose encoder died.

        Raises:
            DiskError: It is gone.
            RecordingError: Its manifest is.
        """
        folder = SessionFolder.open(Path(plan.data_dir) / plan.pipeline / session)
        return cls(folder, read_manifest(folder.path))

    @property
    def path(self) -> Path:
        """The session's folder."""
        return self._folder.path

    @property
    def spec(self) -> FrameSpec | None:
        """What the recorded frames look like, once that is known."""
        return self._manifest.spec

    @property
    def is_running(self) -> bool:
        """Whether nobody has said yet how the session ended."""
        return self._manifest.state == "running"

    @property
    def disk_free(self) -> int:
        """Bytes that are free where the folder is."""
        return disk_usage(self.path).free

    def note_spec(self, spec: FrameSpec) -> None:
        """The recorded frames look like this."""
        if self._manifest.spec is None:
            self._manifest.spec = spec
            write_manifest(self.path, self._manifest)

    def finalise(self, order: Finalise, files: list[RecordedFile]) -> None:
        """The session is over, and this is all of it."""
        self._manifest.clock = order.clock
        self._manifest.events = order.events
        self._manifest.ended_unix_ns = order.ended_unix_ns
        self._end(order.state, order.counts, files)

    def abandon(self, counts: dict[str, Any], files: list[RecordedFile]) -> None:
        """Nobody is left to finalise the session: say what is known."""
        self._manifest.ended_unix_ns = time.time_ns()
        self._end("incomplete", counts, files)

    def close(self) -> None:
        """Let go of the folder. May be called twice."""
        self._folder.close()

    def _end(
        self, state: State, counts: dict[str, Any], files: list[RecordedFile]
    ) -> None:
        self._manifest.state, self._manifest.counts = state, counts
        self._manifest.files = files
        try:
            write_manifest(self.path, self._manifest)
        except DiskError as error:
            log.error("manifest not written: %s", error)
