"""What `config check` finds about a configuration and this machine."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemp.config import Finding, Memory, SyntheticSource, check, load, parse
from imagemp.config.checking import slot_nbytes
from imagemp.daemon.sources.synthetic import SyntheticSettings, planes_of
from imagemp.frames import FrameLayout
from imagemp.ring.layout import Geometry
from imagemp.spec import FrameSpec

from .texts import SOURCE

GIB = 2**30
ROOMY = Memory(64 * GIB, 32 * GIB)


def findings(folder: Path, text: str, memory: Memory = ROOMY) -> dict[str, Finding]:
    config = parse(f'daemon.data_dir = "{folder}"\n{text}')
    return {finding.key: finding for finding in check(config, memory)}


def test_what_fits_gets_notes_alone(tmp_path: Path) -> None:
    text = f'{SOURCE}[pipelines.cam0.ring]\noverflow_size = "10 MiB"'

    found = findings(tmp_path, text)

    assert {finding.level for finding in found.values()} == {"note"}


def test_memory_is_slots_workers_and_overflow_added_up(tmp_path: Path) -> None:
    text = (
        f"{SOURCE}shape = [1024, 1024]\n[pipelines.cam0.ring]\nslots = 100\n"
        'overflow = "memory"\noverflow_size = "1 GiB"\n[pipelines.cam0.encoder]\n'
        '[[pipelines.cam0.callbacks]]\nname = "m"\ntarget = "a:B"\n'
    )

    found = findings(tmp_path, text)["pipelines.cam0.ring.overflow_size"]

    assert found.message == (
        "needs 1.3 GiB (gateway 60.0 MiB, cam0 3 workers 180.0 MiB, "
        "cam0 100 slots 100.0 MiB, cam0 overflow 1.0 GiB) of memory; "
        "32.0 GiB of 64.0 GiB are available"
    )


def test_an_inline_callback_is_no_worker(tmp_path: Path) -> None:
    text = (
        f"{SOURCE}[pipelines.cam0.encoder]\n[[pipelines.cam0.callbacks]]\n"
        'name = "m"\ntarget = "a:B"\ninline = true\n'
    )

    found = findings(tmp_path, text)

    assert any("cam0 2 workers" in f.message for f in found.values())


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        ("", "9.4 MiB"),
        ("channels = 3", "28.1 MiB"),
        ('dtype = "u2"', "18.8 MiB"),
        ('dtype = "c16"', "150.0 MiB"),
        ('dtype = "bool"', "9.4 MiB"),
        ("depth = true", "28.1 MiB"),
        ("scale = 2", "37.5 MiB"),
        ("shape = [1]", "128.0 KiB"),
    ],
)
def test_a_slot_is_as_large_as_its_frame(tmp_path: Path, keys: str, size: str) -> None:
    found = findings(tmp_path, SOURCE + keys)

    assert any(f"cam0 32 slots {size}" in f.message for f in found.values())


@given(
    st.lists(st.integers(1, 70), min_size=2, max_size=3),
    st.sampled_from(["bool", "u1", ">u2", "f4", "c8", "c16"]),
    st.sampled_from([0.01, 0.3, 1.0, 2.5]),
    st.booleans(),
)
def test_a_slot_is_what_the_ring_will_make_it(
    shape: list[int], dtype: str, scale: float, depth: bool
) -> None:
    keys = {"shape": tuple(shape), "dtype": dtype, "scale": scale, "depth": depth}
    spec = FrameSpec(planes_of(msgspec.convert(keys, SyntheticSettings)))

    asked = slot_nbytes(msgspec.convert(keys, SyntheticSource))

    assert asked == Geometry(2, 0, FrameLayout.of(spec).nbytes).stride


@pytest.mark.parametrize(
    ("memory", "level"),
    [
        (Memory(64 * GIB, 8 * GIB), "note"),
        (Memory(64 * GIB, GIB), "warning"),
        (Memory(GIB, GIB), "error"),
    ],
)
def test_too_little_memory_is_told_at_the_key_that_needs_most(
    tmp_path: Path, memory: Memory, level: str
) -> None:
    text = f'{SOURCE}[pipelines.cam0.ring]\noverflow = "memory"'

    found = findings(tmp_path, text, memory)

    assert found["pipelines.cam0.ring.overflow_size"].level == level


def test_an_overflow_larger_than_the_disk_is_an_error(tmp_path: Path) -> None:
    text = f'{SOURCE}[pipelines.cam0.ring]\noverflow_size = "900 TiB"'

    found = findings(tmp_path, text)["pipelines.cam0.ring.overflow_size"]

    assert found.level == "error"
    assert found.message.startswith("needs 900.0 TiB (cam0 overflow 900.0 TiB) of disk")


def test_overflows_of_several_pipelines_on_one_disk_are_added_up(
    tmp_path: Path,
) -> None:
    text = SOURCE + SOURCE.replace("cam0", "cam1")

    found = findings(tmp_path, text)

    assert any(f.message.startswith("needs 4.0 GiB (cam0") for f in found.values())


def test_what_is_to_stay_free_is_counted_once(tmp_path: Path) -> None:
    kept = '[pipelines.{}.encoder]\nkeep_free = "{} GiB"\n'
    text = SOURCE + kept.format("cam0", 1)
    text += SOURCE.replace("cam0", "cam1") + kept.format("cam1", 3)

    found = findings(tmp_path, text)["pipelines.cam1.encoder.keep_free"]

    assert found.message.startswith("needs 7.0 GiB (")
    assert "kept free 3.0 GiB) of disk; " in found.message


def test_more_to_stay_free_than_there_is_is_an_error(tmp_path: Path) -> None:
    text = f'{SOURCE}[pipelines.cam0.encoder]\nkeep_free = "900 TiB"'

    found = findings(tmp_path, text)["pipelines.cam0.encoder.keep_free"]

    assert found.level == "error"


def test_an_overflow_that_holds_no_frame_is_a_warning(tmp_path: Path) -> None:
    text = f'{SOURCE}[pipelines.cam0.ring]\noverflow_size = "1 kB"'

    config = parse(f'daemon.data_dir = "{tmp_path}"\n{text}')

    key, problem = "pipelines.cam0.ring.overflow_size", "1000 B: not one frame fits in"
    assert Finding("warning", key, problem) in check(config, ROOMY)


def test_what_opencv_cannot_open_is_said_so(tmp_path: Path) -> None:
    text = f'{SOURCE}[pipelines.cam0.encoder]\ncompression = "{{}}"'

    zlib, zstd = (findings(tmp_path, text.format(kind)) for kind in ("zlib", "zstd"))

    finding = zstd["pipelines.cam0.encoder.compression"]
    assert finding.level == "note"
    assert "OpenCV from pip does not" in finding.message
    assert "pipelines.cam0.encoder.compression" not in zlib


def test_a_source_that_does_not_tell_its_size_is_said_so(tmp_path: Path) -> None:
    found = findings(tmp_path, SOURCE.replace("synthetic", "opencv"))

    finding = found["pipelines.cam0.source"]
    assert finding.level == "note"
    assert "known only once it is open" in finding.message


@pytest.mark.parametrize(
    ("text", "key", "missing"),
    [
        ('source = {kind = "file", path = "/no/a.mkv"}', "source.path", "/no/a.mkv"),
        ('source = {kind = "/no/cam.py:Cam"}', "source.kind", "/no/cam.py"),
        (
            'source.kind = "synthetic"\nschedule.file = "/no/t.csv"',
            "schedule.file",
            "/no/t.csv",
        ),
        (
            'source.kind = "synthetic"\nschedule.generator = "/no/t.py:t"',
            "schedule.generator",
            "/no/t.py",
        ),
        (
            'source.kind = "synthetic"\n'
            'callbacks = [{name = "m", target = "/no/m.py:M"}]',
            "callbacks.m.target",
            "/no/m.py",
        ),
    ],
)
def test_a_file_that_does_not_exist_is_an_error_at_its_key(
    tmp_path: Path, text: str, key: str, missing: str
) -> None:
    found = findings(tmp_path, f"[pipelines.cam0]\n{text}")

    expected = Finding("error", f"pipelines.cam0.{key}", f"{missing} does not exist")
    assert found[f"pipelines.cam0.{key}"] == expected


def test_a_target_that_exists_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "cam.py"
    file.touch()

    found = findings(tmp_path, f'[pipelines.cam0.source]\nkind = "{file}:Cam"')

    assert "pipelines.cam0.source.kind" not in found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write wherever it likes")
def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(0o555)

    found = findings(
        locked, f'{SOURCE}[pipelines.cam0.ring]\noverflow_dir = "{locked}"'
    )

    assert found["daemon.data_dir"].level == "error"
    assert found["pipelines.cam0.ring.overflow_dir"].level == "error"


def test_a_folder_with_a_file_in_its_way_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    found = findings(file / "rec", "")["daemon.data_dir"]

    expected = f"{file}/rec cannot be written: no folder is {file}"
    assert (found.level, found.message) == ("error", expected)


def test_a_data_dir_that_must_be_a_mount_point_and_is_none_is_a_warning(
    tmp_path: Path,
) -> None:
    found = findings(tmp_path, "daemon.require_mount = true")["daemon.require_mount"]

    assert found.level == "warning"
    assert "no mount point" in found.message


def test_no_pipeline_is_a_warning(tmp_path: Path) -> None:
    assert findings(tmp_path, "")["pipelines"].level == "warning"


def test_this_machine_has_memory() -> None:
    memory = Memory.here()

    assert 0 < memory.available <= memory.total


def test_the_example_has_no_errors_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    example = Path(__file__).parents[2] / "etc/imagemp.toml"

    found = check(load(example), ROOMY)

    assert not [finding for finding in found if finding.level != "note"]


@pytest.mark.parametrize(
    ("ring", "hint"),
    [
        ('overflow_size = "1 MiB"', 'set ring.overflow_size = "9 MiB"'),
        ('overflow = "none"', 'set ring.overflow = "memory" and ring.overflow_size'),
        ('when_full = "wait"', "set ring.slots = 2800"),
    ],
)
def test_what_a_trigger_is_to_reach_must_have_room_in_the_ring(
    tmp_path: Path, ring: str, hint: str
) -> None:
    text = (
        f"{SOURCE}shape = [4096]\nfps = 200\n[pipelines.cam0.ring]\n{ring}\n"
        "[pipelines.cam0.encoder]\npre_s = 10\n"
    )

    found = findings(tmp_path, text)["pipelines.cam0.encoder.pre_s"]

    assert found.level == "warning"
    assert "10 s at 200 fps are 2100 frames to hold" in found.message
    assert hint in found.message


@pytest.mark.parametrize("schedule", ["every_s = 1", "times_s = [0, 1]"])
def test_a_timetable_makes_room_for_what_a_trigger_reaches(
    tmp_path: Path, schedule: str
) -> None:
    text = (
        f'{SOURCE}fps = 200\n[pipelines.cam0.ring]\noverflow = "none"\n'
        f"[pipelines.cam0.schedule]\n{schedule}\n"
        "[pipelines.cam0.encoder]\npre_s = 10\n"
    )

    assert "pipelines.cam0.encoder.pre_s" not in findings(tmp_path, text)
