"""`imagectl recordings export`: frames in formats of others, without a daemon."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .exits import Exit, UsageError
from .output import Answer, Output
from .places import add_session, find
from .progress import progress
from .verb import Verb

if TYPE_CHECKING:
    from imagemp.recording.export.selecting import Selection

FORMATS = ("mkv", "mp4", "png", "npy", "tiff")
SUFFIXES = {"mkv": "mkv", "mp4": "mp4", "npy": "npy", "tif": "tiff", "tiff": "tiff"}
CODECS = ("ffv1", "libx264")


class RecordingsExport(Verb):
    """Write recorded frames as a film, pictures, an array or a plain TIFF.

    Wire: nothing, no daemon is needed
    --frames A:B counts as the rows of the frame log do, from 0, B left out. png makes
    a folder of files named by seq; npy one array; tiff one that ImageJ reads; mkv and
    mp4 need `pip install imagempd[video]`. Each frame is checked on the way. Nothing
    is overwritten without --force.
    """

    name = "recordings export"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_session(parser)
        parser.add_argument(
            "-o",
            "--output",
            type=Path,
            metavar="PATH",
            required=True,
            help="where to; for png a folder",
        )
        parser.add_argument(
            "--format", choices=FORMATS, help="default: by the end of PATH"
        )
        parser.add_argument(
            "--frames",
            type=frames,
            metavar="A:B",
            default=slice(None),
            help="by number, from 0, without B; the last ten with --frames=-10:",
        )
        parser.add_argument(
            "--encoder",
            metavar="NAME",
            default="main",
            help="whose recording; default: main",
        )
        parser.add_argument("--plane", metavar="NAME", help="default: the first one")
        parser.add_argument(
            "--codec", choices=CODECS, help="default: ffv1 in mkv, libx264 in mp4"
        )
        parser.add_argument(
            "--force", action="store_true", help="overwrite what is there"
        )

    def run(self, args: Namespace, output: Output) -> Exit:
        from imagemp.recording.export.formats import check_target
        from imagemp.recording.export.selecting import select

        kind = format_of(args)
        session = find(args.session, args).path
        check_target(args.output, is_folder=kind == "png", force=args.force)
        chosen = select(session, args.frames, args.encoder, args.plane)
        with progress(output, session.name, chosen.count) as advance:
            writer(kind, args.codec)(chosen, args.output, advance)
        document = {"path": str(args.output), "format": kind, "frames": chosen.count}
        output.show({**document, "plane": chosen.name}, self.text)
        return Exit.OK

    def text(self, answer: Answer) -> str:
        return f"{answer['path']}: {answer['frames']} frames ({answer['plane']})"


def frames(text: str) -> slice:
    """Read `A:B`; either may be left out, and count from the end."""
    first, colon, end = text.partition(":")
    try:
        numbers = [int(part) if part else None for part in (first, end)]
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not A:B") from error
    if not colon:
        raise ArgumentTypeError(f"{text!r} is not A:B")
    return slice(*numbers)


def format_of(args: Namespace) -> str:
    """Give the format that is meant; raises `UsageError`."""
    kind = args.format or SUFFIXES.get(args.output.suffix.lstrip(".").lower())
    if kind is None:
        problem = f"{args.output}: its end tells no format"
        raise UsageError(problem, f"--format {'|'.join(FORMATS)}")
    if args.codec and kind not in ("mkv", "mp4"):
        raise UsageError(f"--codec: {kind} has none")
    return str(kind)


def writer(
    kind: str, codec: str | None
) -> "Callable[[Selection, Path, Callable[[int], None]], None]":
    """Give what writes a format."""
    from imagemp.recording.export import films, formats

    if kind in ("mkv", "mp4"):
        return partial(films.export_film, container=kind, codec=codec or "")
    writers: dict[str, Any] = {
        "png": formats.export_png,
        "npy": formats.export_npy,
        "tiff": formats.export_tiff,
    }
    found: Callable[[Selection, Path, Callable[[int], None]], None] = writers[kind]
    return found
