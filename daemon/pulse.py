"""The daemon's signs of life: heartbeats, the watchdog's food, the line of status."""

from collections.abc import Callable, Mapping
from typing import Any

from .crew import Crew
from .notify import Notifier
from .reports import Meter
from .timers import Timers

BEAT_S = 1.0
STATE_BEATS = 5  # between two states that nothing has changed
EXTEND_S = 15


class Pulse:
    """Beats once a second; nothing of it is written to a disk.

    Args:
        beat: Publishes a heartbeat.
        state: Publishes the state.
    """

    def __init__(self, beat: Callable[[], None], state: Callable[[], None]) -> None:
        self.notifier = Notifier()
        self._publish_beat, self._publish_state = beat, state
        self._timers = Timers()
        self._beats = 0

    def start(self) -> None:
        """Beat from now on, and keep the watchdog quiet."""
        self._beat()
        self._feed_watchdog()

    def extend(self) -> None:
        """Ask systemd for time to stop, again and again until `stop`."""
        self.notifier.extend(EXTEND_S)
        self._timers.set("extend", EXTEND_S / 3, self.extend)

    def stop(self) -> None:
        """Beat no more."""
        self._timers.cancel()

    def _beat(self) -> None:
        self._publish_beat()
        self._beats += 1
        if self._beats % STATE_BEATS == 0:
            self._publish_state()
        self._timers.set("beat", BEAT_S, self._beat)

    def _feed_watchdog(self) -> None:
        if (period := self.notifier.watchdog_s) is not None:
            self.notifier.alive()
            self._timers.set("watchdog", period / 2, self._feed_watchdog)


def status_line(crews: Mapping[str, Crew], meters: Mapping[str, Meter]) -> str:
    """Give what `systemctl status` shows: state, rate and losses of each pipeline."""
    return "; ".join(_line(c, meters[n]) for n, c in crews.items()) or "no pipeline"


def _line(crew: Crew, meter: Meter) -> str:
    stage: Any = crew.session.facts.stage if crew.session is not None else "idle"
    fps = meter.fps if crew.is_busy else 0.0
    dropped = sum(crew.counts().dropped.values())
    return f"{crew.plan.name} {stage} {fps:.1f} fps, {dropped} dropped"
