"""A spec is plain data: it goes over a link and comes back equal."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from imagemp.spec import Field, FrameSpec, Plane

FIELDS = (Field("gain", "f8"), Field("pose", "<f4", (3, 3)))


@pytest.mark.parametrize(
    "spec",
    [
        FrameSpec.image((480, 640)),
        FrameSpec.image((7,), "<f4", FIELDS),
        FrameSpec((Plane("rgb", (4, 4, 3), "u1"), Plane("depth", (4, 4), "<u2"))),
        FrameSpec((Plane("image", (2,), [["x", "<u2"], ["y", [["z", "u1", [2]]]]]),)),
    ],
)
def test_a_spec_comes_back_from_json_as_it_was(spec: FrameSpec) -> None:
    sent: Any = msgspec.json.decode(msgspec.json.encode(spec.to_plain()))

    assert FrameSpec.from_plain(sent) == spec


def test_a_plain_spec_is_made_of_dicts_strings_and_numbers() -> None:
    plain = FrameSpec.image((2, 3), "<u2", FIELDS[1:]).to_plain()

    assert msgspec.json.decode(msgspec.json.encode(plain)) == {
        "planes": [{"name": "image", "shape": [2, 3], "dtype": "<u2"}],
        "fields": [{"name": "pose", "dtype": "<f4", "shape": [3, 3]}],
    }


def test_planes_keep_their_order() -> None:
    names = ["right", "left", "a"]

    spec = FrameSpec(tuple(Plane(name, (1,), "u1") for name in names))

    assert [p.name for p in FrameSpec.from_plain(spec.to_plain()).planes] == names


@pytest.mark.parametrize("plain", [{}, {"planes": [{"name": "x"}]}, {"planes": 3}])
def test_what_is_no_spec_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        FrameSpec.from_plain(plain)


def test_a_spec_needs_no_numpy() -> None:
    code = "import sys, imagemp.spec; sys.exit('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own
