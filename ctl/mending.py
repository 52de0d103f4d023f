"""`imagectl recordings verify | repair`: on the files alone, without a daemon."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import Any

from .exits import Exit
from .output import Answer, Output
from .places import add_places, add_session, find
from .progress import progress
from .verb import Verb


class RecordingsVerify(Verb):
    """Check sessions on disk: every pixel, link, row and number.

    Wire: nothing, no daemon is needed
    Compares the CRC of every page, the links, the order and gaps of frames, the frame
    log, the accounting, and the files with those of session.json. Changes nothing.
    Exit code 1 if anything is not as it should be.
    """

    name = "recordings verify"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("sessions", metavar="SESSION", nargs="+")
        add_places(parser)

    def run(self, args: Namespace, output: Output) -> Exit:
        from imagemp.recording.mend.verifying import nbytes_to_check, verify

        verdicts = []
        for path in [find(name, args).path for name in args.sessions]:
            total = nbytes_to_check(path)
            with progress(output, path.name, total, in_bytes=True) as advance:
                verdicts.append(verify(path, advance).summary)
        is_ok = all(verdict["ok"] for verdict in verdicts)
        output.show({"ok": is_ok, "sessions": verdicts}, self.text)
        return Exit.OK if is_ok else Exit.ERROR

    def text(self, answer: Answer) -> str:
        return "\n".join(line for one in answer["sessions"] for line in verdict(one))


class RecordingsRepair(Verb):
    """Make the best of a session that was cut short, or damaged since.

    Wire: nothing, no daemon is needed
    Leads links around what is damaged, cuts what is torn off the end, makes frame log
    and session.json agree with the pages. --dry-run tells what would be done. A session
    that is being written is left alone.
    """

    name = "recordings repair"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_session(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="change nothing, tell what would be"
        )

    def run(self, args: Namespace, output: Output) -> Exit:
        from imagemp.recording.mend.repairing import repair_session
        from imagemp.recording.mend.verifying import nbytes_to_check

        path = find(args.session, args).path
        total = nbytes_to_check(path)
        with progress(output, path.name, total, in_bytes=True) as advance:
            repair = repair_session(path, dry_run=args.dry_run, on_bytes=advance)
        output.show({**repair.summary, "dry_run": args.dry_run}, self.text)
        return Exit.OK

    def text(self, answer: Answer) -> str:
        return "\n".join(repaired(answer))


def verdict(told: Answer) -> Iterable[str]:
    """Tell what was found of one session."""
    n, found = len(told["problems"]), "ok"
    if n:
        found = f"{n} problem{'s' if n > 1 else ''}"
    yield f"{told['pipeline']}: {told['session']} ({told['state']}): {found}"
    for name, seen in told["checked"].items():
        yield f"  encoder {name}: {seen['frames']} frames, {seen['pages']} pages"
    for problem in told["problems"]:
        yield f"  problem: {problem}"
    for note in told["notes"]:
        yield f"  note: {note}"


def repaired(told: Answer) -> Iterable[str]:
    """Tell what was done for one session, or would be."""
    verb = "would be" if told["dry_run"] else "is"
    if not told["steps"]:
        yield f"{told['pipeline']}: {told['session']}: nothing to repair"
    else:
        yield f"{told['pipeline']}: {told['session']} {verb} {told['state']}"
    for step in told["steps"]:
        yield f"  {step['file']}: {step['text']}"
    for name, found in told["encoders"].items():
        yield f"  encoder {name}: {found['frames']} frames{_lost(found)}"


def _lost(found: dict[str, Any]) -> str:
    if not found["lost_bytes"]:
        return ""
    return f"; {found['damaged']} damaged, {found['lost_bytes']} bytes are no frame"
