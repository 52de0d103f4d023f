"""`imagectl cameras` and `imagectl set`: what cameras there are, and their controls."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from .callbacks import json_or_text
from .exits import UsageError
from .output import Answer, table
from .verb import Verb

HEADER = ("CAMERA", "MODEL", "SIZE", "BITS", "FPS", "ID")
LOOK_S = 40.0  # the daemon gives up after 30


class Cameras(Verb):
    """List the cameras that libcamera sees, with their modes.

    Wire: camera.list {}
    CAMERA, MODEL or ID is what `source.camera` wants. Each camera is opened for a
    moment: a session that starts just then may be refused its camera.
    """

    name = "cameras"
    method = "camera.list"
    timeout_s = LOOK_S

    def text(self, answer: Answer) -> str:
        cameras = answer.get("cameras", ())
        rows = [row for camera in cameras for row in rows_of(camera)]
        problems = [c["problem"] for c in cameras if c.get("problem")]
        return "\n".join([table(HEADER, rows), *problems])


class Set(Verb):
    """Set controls of a camera while a session is on.

    Wire: camera.set {"pipeline": "cam0", "controls": {"ExposureTime": 5000}}
    NAME=VALUE is a control of libcamera's, its value JSON. All of them are set, or
    none. They last until the session ends.
    """

    name = "set"
    method = "camera.set"
    timeout_s = 15.0

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "words",
            nargs="+",
            metavar="[PIPELINE] NAME=VALUE",
            help="the pipeline may be left out if only one runs",
        )

    def params(self, args: Namespace) -> dict[str, Any]:
        pipeline, *rest = args.words if "=" not in args.words[0] else ("", *args.words)
        if not rest:
            raise UsageError("set: no NAME=VALUE", "as in ExposureTime=5000")
        return {"pipeline": pipeline, "controls": dict(map(control, rest))}

    def text(self, answer: Answer) -> str:
        controls = answer.get("controls", {})
        told = ", ".join(f"{name} = {value}" for name, value in controls.items())
        return f"{answer.get('pipeline')}: {told}"


def control(word: str) -> tuple[str, object]:
    """Give the name and the value of `ExposureTime=5000`.

    Raises:
        UsageError: It is not of that form.
    """
    name, equals, value = word.partition("=")
    if not (name and equals and value):
        raise UsageError(f"set: expected NAME=VALUE, got {word!r}")
    return name, json_or_text(value)


def rows_of(camera: Mapping[str, Any]) -> list[list[str]]:
    """Give a row for each mode; the camera's own words stand in the first."""
    rows = [
        ["", "", f"{m['width']}x{m['height']}", str(m["bits"]), f"{m['fps']:g}", ""]
        for m in camera["modes"]
    ] or [[""] * len(HEADER)]
    first = rows[0]
    first[:2], first[-1] = [str(camera["number"]), camera["model"]], camera["id"]
    return rows
