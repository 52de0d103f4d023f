"""What `imagectl top` knows: the newest word on the daemon and its pipelines."""

from collections.abc import Iterable, Mapping
from typing import Any

from .reports import pipeline_of


class Board:
    """The newest state and the newest report of each pipeline.

    Attributes:
        state: The daemon's status document.
        metrics: The report of each pipeline, by its name.
        is_gone: The daemon's heartbeat has stopped.
    """

    def __init__(self) -> None:
        self.state: Mapping[str, Any] = {}
        self.metrics: dict[str, Mapping[str, Any]] = {}
        self.is_gone = False

    def hear(self, topic: str, body: Mapping[str, Any]) -> None:
        """Take a message of the telemetry."""
        self.is_gone = False
        if topic == "state":
            self.state = body
        elif topic.startswith("metrics."):
            self.metrics[pipeline_of(topic, body)] = body

    def lose(self) -> None:
        """Nothing has come for too long: what is known is no longer true."""
        self.is_gone = True

    def lacks_metrics(self) -> bool:
        """Whether a pipeline in session has not reported yet."""
        pipelines = self.state.get("pipelines") or {}
        in_session = {name for name, p in pipelines.items() if p.get("session")}
        return not in_session <= self.metrics.keys()

    def pipelines(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Give each pipeline with all that is known of it, reports first.

        A report tells of one session: after that only the state is true.
        """
        stated = self.state.get("pipelines") or {}
        for name in {**stated, **self.metrics}:
            state, report = stated.get(name) or {}, self.metrics.get(name) or {}
            is_over = "session" in state and state["session"] != report.get("session")
            yield name, state if is_over else {**state, **report}

    def document(self) -> dict[str, Any]:
        """Give all of it as one document."""
        return {"state": self.state, "metrics": self.metrics}
