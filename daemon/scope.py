"""Which pipelines, sessions and workers a request is about.

What is not there is refused by name, and so is what could be several.
"""

from collections.abc import Mapping, Sequence

from imagemp.errors import ControlError

from .crew import Crew
from .post import Post
from .session import Session

Crews = Mapping[str, Crew]


def names(pipeline: str) -> list[str]:
    """Give the one that was named, or nothing."""
    return [pipeline] if pipeline else []


def named(crews: Crews, wanted: Sequence[str]) -> list[Crew]:
    """Give those with these names; all, if there is none.

    Raises:
        ControlError: There is no such pipeline.
    """
    for name in wanted:
        if name not in crews:
            known = ", ".join(crews) or "none"
            raise ControlError("E_PARAMS", f"pipelines: no {name!r}; there is {known}")
    return [crews[name] for name in wanted or crews]


def busy(
    crews: Crews,
    wanted: Sequence[str],
    what: str,
    session: str | None = None,
    *,
    awaited: bool = False,
) -> list[Crew]:
    """Give those whose session is on; or, `awaited`, is to be tried again.

    Raises:
        ControlError: None is, or one that was named is not.
    """
    meant = named(crews, wanted)
    found = [
        crew
        for crew in meant
        if (crew.is_busy or (awaited and crew.again.is_waiting))
        and session in (None, _session_id(crew))
    ]
    if not found or (wanted and len(found) != len(meant)):
        raise _no_session(what, [crew for crew in meant if crew not in found])
    return found


def waited_for(
    crews: Crews, wanted: Sequence[str], session: str | None
) -> list[Session]:
    """Give the sessions that `session.wait` is about; each may be over already.

    Who waits may come too late: where nothing is on, the last session is meant.

    Raises:
        ControlError: There was none since the daemon began, or none of this id.
    """
    meant = named(crews, wanted)
    if session is not None:
        meant = [crew for crew in meant if _session_id(crew) == session]
        if not meant:
            raise ControlError("E_NOT_RUNNING", f"wait: no session {session!r}")
    elif not wanted:
        meant = [c for c in meant if c.is_busy] or [c for c in meant if c.session]
    found = [crew.session for crew in meant if crew.session is not None]
    if not found or len(found) != len(meant):
        raise _no_session("wait", [crew for crew in meant if crew.session is None])
    return found


def only(crews: Sequence[Crew]) -> Crew:
    """Give the one that is meant where none was named.

    Raises:
        ControlError: There are several.
    """
    if len(crews) > 1:
        found = ", ".join(crew.plan.name for crew in crews)
        raise ControlError("E_PARAMS", f"pipeline: several run, name one of {found}")
    return crews[0]


def crew_with(crews: Crews, pipeline: str, callback: str) -> Crew:
    """Give the crew that has a callback.

    Raises:
        ControlError: None has it, or several have.
    """
    meant = named(crews, names(pipeline))
    found = [c for c in meant if c.plan.worker_of(callback) is not None]
    _check_one(len(found), "callback", callback)
    return found[0]


def post(crews: Crews, pipeline: str, worker: str) -> Post:
    """Give the post of a worker.

    Raises:
        ControlError: No pipeline has it, or several have.
    """
    meant = named(crews, names(pipeline))
    found = [crew.posts[worker] for crew in meant if worker in crew.posts]
    _check_one(len(found), "worker", worker)
    return found[0]


def _check_one(n: int, kind: str, name: str) -> None:
    if n != 1:
        found = "no pipeline has" if not n else "several pipelines have"
        raise ControlError(
            "E_PARAMS",
            f"{kind}: {found} one called {name!r}",
            "name the pipeline with --pipeline" if n else "",
        )


def _no_session(what: str, idle: Sequence[Crew]) -> ControlError:
    told = ", ".join(crew.plan.name for crew in idle) or "no pipeline"
    return ControlError("E_NOT_RUNNING", f"{what}: no session is on: {told}")


def _session_id(crew: Crew) -> str | None:
    """Give the id of the session that is on, or of the last one."""
    return crew.session.facts.id if crew.session is not None else None
