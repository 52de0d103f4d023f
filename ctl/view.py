"""`imagectl view`: the newest frames of pipelines, in a window or a picture."""

import re
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemp.errors import ControlError

from .exits import Exit, UsageError
from .output import Answer, Output
from .reports import pipeline_of
from .times import duration_s
from .verb import Verb, add_pipelines, listen

if TYPE_CHECKING:
    from imagemp.client import Telemetry

    from .pane import Pane

FPS = 20.0
FRAME_S = 10.0
REPORT_S = 1.0  # twice the time from one to the next, unless configured


class ViewFrames(Verb):
    """Show the newest frames in a window, or save them as a picture.

    Wire: config.show {}; telemetry metrics.*; frames.sock, policy latest
    Takes the newest frame when it draws, so that nothing waits for it. Goes on in
    the next session, and when the daemon restarts. Over SSH without a display:
    --save. Needs matplotlib: pip install 'imagempd[view]'. q closes the window.
    """

    name = "view"
    method = "config.show"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_pipelines(parser)
        parser.add_argument(
            "--from",
            dest="ring",
            type=ring_name,
            default="source",
            metavar="RING",
            help="source (default), encoder: what it records, encoder:NAME, "
            "or callback:NAME: what it returns",
        )
        parser.add_argument("--plane", help="of several; default: its image")
        parser.add_argument(
            "--fps",
            type=rate,
            default=FPS,
            help=f"draw so often at most, {FPS:g} unless given",
        )
        parser.add_argument(
            "--duration", type=duration_s, metavar="S", help="then leave"
        )
        parser.add_argument(
            "--save",
            type=Path,
            metavar="PNG",
            help="save what the window would show, and leave; no display is needed",
        )
        parser.add_argument(
            "--timeout",
            type=duration_s,
            default=FRAME_S,
            metavar="S",
            help=f"how long --save waits for a frame, {FRAME_S:g} s unless given; "
            "then the exit code is 6",
        )

    def run(self, args: Namespace, output: Output) -> Exit:
        from . import window

        figure = window.picture() if args.save else window.opened()
        with ExitStack() as stack:
            panes = self._panes(args, stack)
            shown = window.Window(figure, panes)
            telemetry = stack.enter_context(listen(args, ("metrics.",)))
            if args.save:
                _wait_for_frames(panes, args.timeout)
                _wait_for_reports(panes, telemetry)
                shown.save(args.save)
                output.show({"saved": str(args.save)}, lambda _: str(args.save))
                return Exit.OK
            try:
                shown.run(telemetry, args.fps, args.duration)
            finally:
                output.show({p.name: p.summary() for p in panes}, _summary)
        return Exit.OK

    def _panes(self, args: Namespace, stack: ExitStack) -> "list[Pane]":
        from imagemp.receiver import Receiver

        from .pane import Pane

        pipelines = self.ask(args, self.method, {})["pipelines"]
        for name in set(args.pipelines) - set(pipelines):
            raise UsageError(
                f"{name}: no such pipeline", f"there are {', '.join(pipelines)}"
            )
        panes = []
        for name in args.pipelines or pipelines:
            ring = ring_of(name, pipelines[name], args.ring)
            receiver = Receiver(
                name, "latest", ring=ring, follow=True, runtime_dir=args.runtime_dir
            )
            stack.callback(receiver.close)
            panes.append(Pane(name, args.ring, receiver, args.plane))
        if not panes:
            hint = "add one to the configuration, then imagectl reload"
            raise UsageError("no pipelines are configured", hint)
        return panes


def ring_name(text: str) -> str:
    """Take what may stand behind --from."""
    if re.fullmatch(r"source|encoder|(encoder|callback):[\w-]+", text):
        return text
    problem = "expected source, encoder, encoder:NAME or callback:NAME"
    raise ArgumentTypeError(f"{text!r}: {problem}")


def rate(text: str) -> float:
    """Take a number of times a second."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.01 <= found <= 240:
        raise ArgumentTypeError(f"{text!r}: expected 0.01 to 240")
    return found


def ring_of(name: str, pipeline: Answer, wanted: str) -> str:
    """Give the ring in which these frames are.

    An encoder writes frames as they stand in the ring it reads: overlay and scale
    are in them already.

    Raises:
        UsageError: They are in none.
    """
    kind, _, which = wanted.partition(":")
    if kind != "encoder":
        return wanted
    encoder = _encoder(name, pipeline["encoder"], which)
    ring = str(encoder["input"] or "source")
    inline = {f"callback:{c['name']}" for c in pipeline["callbacks"] if c["inline"]}
    if ring in inline:
        raise UsageError(
            f"{name}: encoder {encoder['name']} writes what {ring} returns at once: "
            "it is in no ring",
            "view --from source, or set inline = false for that callback",
        )
    return ring


def _encoder(name: str, encoders: Sequence[dict[str, Any]], which: str) -> Answer:
    found = [e for e in encoders if which in ("", e["name"])]
    if not found:
        there = ", ".join(e["name"] for e in encoders) or "none"
        raise UsageError(f"{name}: no encoder {which}".rstrip(), f"there is {there}")
    return found[0]


def _wait_for_frames(panes: "list[Pane]", timeout_s: float) -> None:
    """Have a frame in each pane.

    Raises:
        ControlError: One has none in time, or never will.
    """
    deadline = time.monotonic() + timeout_s
    for pane in panes:
        while not pane.refresh(max(0.0, deadline - time.monotonic())):
            if pane.problem:
                raise ControlError("E_PARAMS", f"{pane.name}: {pane.problem}")
            if time.monotonic() >= deadline:
                raise ControlError(
                    "E_TIMEOUT",
                    f"{pane.name}: no frame within {timeout_s:g} s",
                    f"is it in session? imagectl start {pane.name}",
                )


def _wait_for_reports(panes: "list[Pane]", telemetry: "Telemetry") -> None:
    """Hear what is known of each; a picture can do without."""
    while not all(pane.has_heard for pane in panes):
        message = telemetry.receive(REPORT_S)
        if message is None:
            return
        for pane in panes:
            if pane.name == pipeline_of(*message):
                pane.hear(message[1])


def _summary(answer: Answer) -> str:
    return "\n".join(
        f"{name}: {one['shown']} frames shown in {one['seconds']:.1f} s, "
        f"{one['fps']:.1f} fps"
        for name, one in answer.items()
    )
