"""`config check` names the drop-in of imagemp.service that a setting needs."""

import shutil
from pathlib import Path

import pytest

from imagemp.config import parse
from imagemp.config.dropins import lacking

from .texts import SOURCE

SHIPPED = Path(__file__).parents[2] / "systemd"
DISK = 'daemon.data_dir = "/mnt/usb"\n' + SOURCE
OWN = 'daemon.data_dir = "/var/lib/imagemp"\n'
CALLBACK = '[[pipelines.cam0.callbacks]]\nname = "m"\ntarget = "{}:M"\n'


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Give where the unit is installed, without a drop-in."""
    folder = tmp_path / "system"
    (folder / "imagemp.service.d").mkdir(parents=True)
    (folder / "imagemp.service").touch()
    return folder


def named(text: str, units: Path) -> dict[str, str]:
    """Give the drop-in that each key needs."""
    told = {f.key: f.message for f in lacking(parse(text), units)}
    names = [path.stem for path in SHIPPED.glob("[0-9]*.conf")]
    return {
        key: next(n for n in names if f"the drop-in {n} " in m)
        for key, m in told.items()
    }


def source(text: str) -> str:
    return f"{OWN}[pipelines.cam0]\nsource = {{ {text} }}\n"


@pytest.mark.parametrize(
    ("text", "key", "drop_in"),
    [
        (DISK, "daemon.data_dir", "10-disk"),
        (
            f'{OWN}{SOURCE}[pipelines.cam0.ring]\noverflow_dir = "/media/fast"\n',
            "pipelines.cam0.ring.overflow_dir",
            "10-disk",
        ),
        (
            OWN + SOURCE + CALLBACK.format("/home/pi/m.py"),
            "pipelines.cam0.callbacks.m.target",
            "20-home",
        ),
        (
            source('kind = "file", path = "/home/pi/clip.mp4"'),
            "pipelines.cam0.source.path",
            "20-home",
        ),
        (source('kind = "/root/mine.py:S"'), "pipelines.cam0.source.kind", "20-home"),
        (
            f'{OWN}{SOURCE}[pipelines.cam0.schedule]\nfile = "/home/pi/t.csv"\n',
            "pipelines.cam0.schedule.file",
            "20-home",
        ),
        (
            source('kind = "opencv", device = "rtsp://10.0.0.7/live"'),
            "pipelines.cam0.source.device",
            "30-network",
        ),
    ],
)
def test_a_setting_that_needs_a_drop_in_is_told_which(
    text: str, key: str, drop_in: str, units: Path
) -> None:
    assert named(text, units) == {key: drop_in}

    shutil.copy(SHIPPED / f"{drop_in}.conf", units / "imagemp.service.d")
    assert named(text, units) == {}


@pytest.mark.parametrize("line", ["import gpiozero", "from RPi import GPIO"])
def test_code_that_uses_pins_is_told_which(
    line: str, units: Path, tmp_path: Path
) -> None:
    code = tmp_path / "pins.py"
    code.write_text(f"import os\n{line}\n")

    found = named(OWN + SOURCE + CALLBACK.format(code), units)

    assert found == {"pipelines.cam0.callbacks.m.target": "40-gpio"}


def test_what_the_service_may_do_unasked_needs_none(units: Path) -> None:
    text = OWN + SOURCE + CALLBACK.format("/srv/lab/m.py")

    assert named(text, units) == {}


def test_where_no_service_is_installed_nothing_is_said(tmp_path: Path) -> None:
    assert lacking(parse(DISK), tmp_path) == []
