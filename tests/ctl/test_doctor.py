"""`imagectl doctor`: each check, well and not; and what it reads here."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imagemp.ctl import checks
from imagemp.ctl.checks import BAD, OK, WARNING, Finding, Readings
from imagemp.ctl.exits import Exit
from imagemp.ctl.readings import cma_of, files_of, write_speed
from imagemp.errors import ControlError

from .conftest import Imagectl
from .fake_daemon import STATUS, FakeDaemon

ALL_GROUPS = frozenset({"video", "render", "imagemp"})
WELL = Readings(
    user="imagemp",
    groups=ALL_GROUPS,
    known_groups=ALL_GROUPS,
    asker_groups=ALL_GROUPS,
    nodes=("/dev/video0", "/dev/media0"),
    cma=256 << 20,
    data_dir="/data",
    free=100 << 30,
    mb_s=80.0,
    is_synchronised=True,
    files=524288,
    client="1.0",
    daemon="1.0",
    throttled=0,
)
NO_GROUPS: frozenset[str] = frozenset()
FAULTS = {
    "no daemon": ("daemon", {"daemon": None, "absent": "no such socket"}, WARNING),
    "another version": ("versions", {"daemon": "0.9"}, BAD),
    "no group": ("groups", {"groups": frozenset({"video"})}, BAD),
    "no orders": ("groups", {"asker_groups": NO_GROUPS}, WARNING),
    "no camera": ("cameras", {"nodes": ()}, WARNING),
    "little memory": ("cma", {"cma": 64 << 20}, WARNING),
    "little room": ("disk space", {"free": 1 << 30}, WARNING),
    "hardly any room": ("disk space", {"free": 1 << 20}, BAD),
    "a slow card": ("disk speed", {"mb_s": 8.0}, WARNING),
    "a clock of its own": ("clock", {"is_synchronised": False}, WARNING),
    "few files": ("limits", {"files": 1024}, WARNING),
    "too little power": ("throttling", {"throttled": 0x50005}, BAD),
    "heat at noon": ("throttling", {"throttled": 0x80000}, WARNING),
}


def ill(found: Readings) -> list[Finding]:
    """Give what is not well."""
    return [each for each in checks.findings(found) if each.level != OK]


def test_where_all_is_well_every_check_says_so() -> None:
    found = checks.findings(WELL)

    assert [each for each in found if each.level != OK or each.advice] == []
    assert {each.check for each in found} == {check for check, _, _ in FAULTS.values()}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_alone_with_what_to_do(name: str) -> None:
    check, changed, level = FAULTS[name]

    (found,) = ill(replace(WELL, **changed))  # type: ignore[arg-type]

    assert (found.check, found.level) == (check, level)
    assert found.advice


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        ({"cma": None}, "cma"),
        ({"cma": 0}, "cma"),
        ({"free": None}, "disk space"),
        ({"files": None}, "limits"),
        ({"throttled": None}, "throttling"),
        ({"known_groups": NO_GROUPS}, "groups"),
    ],
)
def test_what_a_machine_does_not_tell_is_left_out(
    changed: dict[str, object], check: str
) -> None:
    found = checks.findings(replace(WELL, **changed))  # type: ignore[arg-type]

    assert check not in {each.check for each in found}


def test_root_needs_no_group() -> None:
    root = replace(WELL, user="root", groups=NO_GROUPS, asker_groups=None)

    assert ill(root) == []


def test_the_advice_fits_the_flag() -> None:
    (power,) = ill(replace(WELL, throttled=0x1))
    (heat,) = ill(replace(WELL, throttled=0x8))

    assert "supply" in power.advice
    assert "fan" in heat.advice


def test_contiguous_memory_is_read_from_meminfo() -> None:
    assert cma_of("MemTotal: 1 kB\nCmaTotal:      262144 kB\n") == 256 << 20
    assert cma_of("MemTotal: 1 kB\n") is None


@pytest.mark.parametrize(("hard", "files"), [("4096", 4096), ("unlimited", None)])
def test_the_limit_of_files_is_the_hard_one(hard: str, files: int | None) -> None:
    line = f"Max open files            1024                 {hard}        files\n"

    assert files_of(f"Max processes   1   2   processes\n{line}") == files


def test_writing_to_a_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    mb_s, problem = write_speed(tmp_path)

    assert problem == ""
    assert mb_s is not None
    assert mb_s > 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_is_not_tried(tmp_path: Path) -> None:
    mb_s, problem = write_speed(tmp_path / "not there")

    assert mb_s is None
    assert "not there: No such file" in problem


def told(capsys: pytest.CaptureFixture[str]) -> Iterator[Finding]:
    for each in json.loads(capsys.readouterr().out)["findings"]:
        yield Finding(**each)


def test_it_works_without_a_daemon_and_says_so(
    tmp_path: Path, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    imagectl("doctor", "--json", "--data-dir", str(tmp_path))

    found = {each.check: each for each in told(capsys)}
    assert found["daemon"].level == WARNING
    assert "systemctl start imagemp" in found["daemon"].advice
    assert f"MB/s written and synchronised in {tmp_path}" in found["disk speed"].told


def test_a_daemon_of_another_version_is_bad(
    tmp_path: Path, daemon: FakeDaemon, imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    daemon.answers["version"] = {"imagemp": "0.0.9"}
    words = ("--no-disk", "--data-dir", str(tmp_path))

    left_with = imagectl("doctor", *words)

    shown = capsys.readouterr().out
    assert left_with == Exit.ERROR
    assert "the daemon 0.0.9" in shown
    assert "> systemctl restart imagemp" in shown


def test_the_disk_is_left_alone_while_a_session_runs_or_if_one_asks(
    tmp_path: Path, daemon: FakeDaemon, imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    daemon.answers["config.show"] = {"daemon": {"data_dir": str(tmp_path)}}
    imagectl("doctor", "--json")
    busy = {each.check: each for each in told(capsys)}["disk speed"]
    over = {"cam0": {"state": "complete"}, "cam1": {"state": "idle"}}
    daemon.answers["status"] = {**STATUS, "pipelines": over}

    imagectl("doctor", "--json", "--no-disk")
    asked = {each.check: each for each in told(capsys)}["disk speed"]
    imagectl("doctor", "--json")
    tried = {each.check: each for each in told(capsys)}["disk speed"]

    assert busy.told == "not tried: a session is being recorded"
    assert asked.told == "not tried: asked not to"
    assert f"synchronised in {tmp_path}" in tried.told


def test_a_user_whom_the_daemon_refuses_is_told_what_it_says(
    tmp_path: Path, daemon: FakeDaemon, imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    daemon.answers["version"] = ControlError("E_PERM", "not for you", "ask the owner")

    imagectl("doctor", "--json", "--no-disk", "--data-dir", str(tmp_path))

    found = next(each for each in told(capsys) if each.check == "daemon")
    assert (found.told, found.advice) == ("not for you", "ask the owner")
