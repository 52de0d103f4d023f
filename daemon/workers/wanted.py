"""Which of the source's frames a session wants, and when it has them all."""

from msgspec import Struct

from imagemp.daemon.schedule import Schedule


class Limits(Struct, frozen=True):
    """When a session ends by itself.

    Attributes:
        frames: After this many captured frames.
        duration_s: This long after the first captured frame.
        t_first_ns: Sensor time of that frame, if an earlier epoch took it.
        t_start_ns: When the session began to take frames, if it has.
        pending: Frames that triggers have asked for, and that are not taken yet.
    """

    frames: int | None = None
    duration_s: float | None = None
    t_first_ns: int = 0
    t_start_ns: int = 0
    pending: int = 0


class Wanted:
    """A session's limits and its timetable.

    Args:
        limits: When it ends by itself.
        schedule: None: every frame is wanted.
    """

    def __init__(self, limits: Limits, schedule: Schedule | None) -> None:
        self._limits, self._schedule = limits, schedule
        self._t_first_ns = limits.t_first_ns
        self._from_ns = 0
        if schedule is not None:
            schedule.trigger(limits.pending)

    @property
    def from_ns(self) -> int:
        """No frame of before this instant is wanted."""
        return self._from_ns

    @property
    def is_every_frame(self) -> bool:
        """Whether there is no timetable: a frame that is not there is missed."""
        return self._schedule is None

    @property
    def late(self) -> int:
        """Deadlines that had passed when a frame came."""
        return self._schedule.late if self._schedule is not None else 0

    def begin(self, now_ns: int, served_ns: int | None, from_ns: int = 0) -> None:
        """The first frame may come.

        Args:
            now_ns: A timetable counts from here, unless the session began before.
            served_ns: An earlier process got so far.
            from_ns: The instant that several sessions have in common; 0: none.
        """
        self._from_ns = from_ns
        if self._schedule is not None:
            start_ns = self._limits.t_start_ns or from_ns or now_ns
            self._schedule.begin(start_ns, served_ns)
            self._from_ns = self._schedule.start_ns

    def trigger(self, n: int | None, at_ns: int = 0) -> None:
        """Somebody wants frames that are taken from an instant on."""
        if self._schedule is not None:
            self._schedule.trigger(n, at_ns)

    def wants(self, t_ns: int) -> bool:
        """Whether the frame of this time is to be taken; if so, it counts.

        Raises:
            ConfigError: A generator of times gave what is no time.
        """
        if self._schedule is None:
            return t_ns >= self._from_ns
        return self._schedule.due(t_ns)

    def took(self, t_ns: int) -> None:
        """A frame has been captured: the duration counts from the first one."""
        self._t_first_ns = self._t_first_ns or t_ns

    def ends_before(self, t_ns: int) -> bool:
        """Whether the session's duration is over at this time."""
        duration_s = self._limits.duration_s
        if duration_s is None or not self._t_first_ns:
            return False
        return t_ns >= self._t_first_ns + round(duration_s * 1e9)

    def end_after(self, seq: int) -> str:
        """Say why no frame is wanted after this one; "" if one is."""
        if self._limits.frames is not None and seq + 1 >= self._limits.frames:
            return "frames"
        return "timetable" if self.is_exhausted else ""

    @property
    def is_exhausted(self) -> bool:
        """Whether the timetable wants nothing more."""
        return self._schedule is not None and self._schedule.finished
