"""A grabbed frame comes in: it is counted, and what is known of it is written down."""

import time

from imagemp.clock import boottime_ns
from imagemp.frames import FrameInfo
from imagemp.ring.layout import MISS_CAUSES, MISSED, T_LAST_NS
from imagemp.ring.writer import Writer

from ..sources.base import Grab, Source
from .orders import Prepare
from .wanted import Wanted


class Intake:
    """Counts the frames of one epoch before anything else is done with them.

    Args:
        order: What the epoch began with.
        source: Open.
        wanted: Learns of each frame.
    """

    def __init__(self, order: Prepare, source: Source, wanted: Wanted) -> None:
        self._t_before_ns = order.t_last_ns
        self._source, self._wanted = source, wanted

    def describe(self, writer: Writer, grab: Grab) -> FrameInfo:
        """Count the frame and say when it was taken."""
        seq = writer.count_grab()
        arrival = boottime_ns()
        missed = self._missed(writer, grab)
        writer.segment.cells[T_LAST_NS] = grab.t_sensor_ns
        self._wanted.took(grab.t_sensor_ns)
        return FrameInfo(
            seq=seq,
            t_sensor_ns=grab.t_sensor_ns,
            t_arrival_ns=arrival,
            t_unix_ns=grab.t_sensor_ns + time.time_ns() - arrival,
            exposure_us=grab.exposure_us,
            gain=grab.gain,
            missed_before=missed,
            fields=grab.fields,
        )

    def _missed(self, writer: Writer, grab: Grab) -> int:
        """Count what the sensor's clock says is missing before this frame."""
        if not self._wanted.is_every_frame:
            return 0  # frames between two deadlines are not wanted, not missed
        cause, missed, source = "sensor_gap", grab.missed, self._source
        is_first = self._t_before_ns and not writer.segment.cells[T_LAST_NS]
        if is_first and source.is_live and source.fps:
            periods = (grab.t_sensor_ns - self._t_before_ns) * source.fps / 1e9
            cause, missed = "capture_restart", max(0, round(periods) - 1)
        if missed:
            writer.segment.cells[MISSED + MISS_CAUSES.index(cause)] += missed
        return missed
