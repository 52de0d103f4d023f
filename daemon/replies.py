"""What clients are answered: sessions as the wire has them."""

import asyncio
from typing import Any

import msgspec

from imagemp import codes, messages
from imagemp.errors import ControlError, ImagempError

from .crew import Crew
from .session import Session

Result = dict[str, Any]


async def firsts(sessions: list[Session]) -> Result:
    """Answer when each has its first frame, or is armed."""
    await asyncio.gather(*(asyncio.shield(s.run.first) for s in sessions))
    return begun(sessions)


async def results(sessions: list[Session]) -> Result:
    """Answer when each is over: how it went, and where its frames are."""
    over = await asyncio.gather(*(asyncio.shield(s.run.done) for s in sessions))
    counts = [msgspec.to_builtins(facts.counts) for facts in over]
    told = [facts.result() for facts in over]
    return {"sessions": [r | {"counts": c} for r, c in zip(told, counts, strict=True)]}


def begun(sessions: list[Session]) -> Result:
    """Say which sessions have begun."""
    begun = [s.facts for s in sessions]
    return {
        "sessions": [
            {"session": f.id, "pipeline": f.plan.name, "dir": f.dir, "notes": f.notes}
            for f in begun
        ]
    }


def sessions_of(crews: list[Crew]) -> list[Session]:
    """Give the session of each crew that has, or had, one."""
    return [crew.session for crew in crews if crew.session is not None]


def record(crews: list[Crew], params: messages.Record, *, is_on: bool) -> Result:
    """Have these record from now on, or no more; tell which encoders do.

    Raises:
        ControlError: There is no such encoder.
    """
    having = [c for c in crews if c.has_encoder(params.encoder)]
    if not having or (params.pipelines and len(having) < len(crews)):
        what = f"encoder {params.encoder!r}" if params.encoder else "encoder"
        lacking = ", ".join(c.plan.name for c in crews if c not in having)
        raise ControlError("E_PARAMS", f"encoder: no {what} in {lacking}")
    done = [(c.plan.name, c.record(params.encoder, is_on=is_on)) for c in having]
    names = [f"{crew}.{name}" for crew, names in done for name in names]
    return {"pipelines": [crew for crew, _ in done], "encoders": names}


def problem(error: ImagempError) -> dict[str, Any]:
    """Give an error as the wire has it."""
    code = error.code if error.code in codes.CODES else "E_CONFIG"
    retryable = isinstance(error, ControlError) and error.retryable
    return {
        "code": code,
        "message": str(error),
        "hint": error.hint,
        "retryable": retryable,
    }
