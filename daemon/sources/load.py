"""From a `[pipelines.NAME.source]` table to the source it asks for."""

import inspect
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from imagemp.errors import SourceError
from imagemp.load import TargetError, load_object

from .base import Source
from .settings import Scale, read_settings

KINDS = {  # imported when asked for: each brings its own libraries
    "synthetic": f"{__package__}.synthetic:SyntheticSource",
    "file": f"{__package__}.file:FileSource",
    "opencv": f"{__package__}.opencv:OpencvSource",
    "picamera2": f"{__package__}.pi:PiSource",
    "stereo": f"{__package__}.stereo:StereoSource",
}


class Choice(Struct, frozen=True):
    """What decides which source it is."""

    kind: str = "synthetic"
    scale: Scale = 1.0


def make_source(settings: Mapping[str, Any]) -> Source:
    """Give the source that `settings` ask for, not yet open.

    Raises:
        SourceError: There is no such kind, module, file or class, or it is not
            a source; the message says which.
    """
    choice = read_settings(Choice, settings)
    source = source_class(choice.kind)(settings)
    if choice.scale == 1 or source.scales_itself:
        return source
    from .scaled import ScaledSource

    return ScaledSource(source, choice.scale)


def source_class(kind: str) -> type[Source]:
    """Give the class behind a kind, or behind a user's target."""
    if kind not in KINDS and ":" not in kind:
        raise SourceError(
            f"source.kind: there is no {kind!r}",
            f"one of {', '.join(KINDS)}, package.module:Class or /path/file.py:Class",
        )
    try:
        found = load_object(KINDS.get(kind, kind))
    except TargetError as error:
        raise SourceError(f"source.kind: {error}", error.hint) from error
    if not (inspect.isclass(found) and issubclass(found, Source)):
        raise SourceError(
            f"source.kind: {kind} is not a Source",
            f"derive it from {Source.__module__}",
        )
    if inspect.isabstract(found):
        lacks = ", ".join(sorted(found.__abstractmethods__))
        raise SourceError(f"source.kind: {kind} lacks {lacks}")
    return found
