"""What is wrong is refused with a code that says what and where; nothing else suffers.

All of it happens to one daemon, beside a pipeline that records from first to last.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagemp.errors import ControlError
from tests.clips import clip
from tests.daemon.workers.raw_client import RawClient
from tests.running import Daemon, running

from .test_recording import begin, check_agreement, listening, record, wait_for

USER_CODE = """
import numpy as np

from imagemp.callback import Callback
from imagemp.daemon.sources.base import Grab, Source
from imagemp.frames import Frame


class BrokenSource(Source):
    def open(self):
        return 1 / 0

    def grab(self, wake):
        return None

    def retrieve(self, frame):
        pass

    def close(self):
        pass


class Picky(Callback):
    def set_up(self, settings):
        self.nonsense = settings.get("nonsense", "")
        if self.nonsense == "set_up":
            raise RuntimeError("not set up")

    def process(self, frame):
        return {
            "text": "what?",
            "list": [1, 2],
            "small": np.zeros((2, 2), "u1"),
            "other": frame.image.astype("f8"),
            "objects": np.array([object()]),
            "nothing": np.zeros((0, 4), "u1"),
            "names": {"depth": frame.image},
        }.get(self.nonsense, frame)


def backwards():
    yield from (0, 0.02, 0.01)


not_a_callback = 5
"""

STEADY = """
[telemetry]
rate_hz = 10

[pipelines.steady]
source = { kind = "synthetic", width = 64, height = 48, fps = 100 }
ring = { slots = 128, overflow = "memory", overflow_size = "64 MiB" }
encoder = {}
"""

GOOD_SOURCE = 'source = { kind = "synthetic", width = 64, height = 48, fps = 200 }'


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a recording under way, which loses nothing to what is tried."""
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "mine.py").write_text(USER_CODE)
    (folder / "raising.py").write_text("import math\nraise OSError('no licence')\n")
    (folder / "syntax.py").write_text("def (:\n")
    (folder / "garbage.mp4").write_bytes(b"no video at all " * 1000)
    (folder / "cut.mp4").write_bytes(clip("bikes.mp4").read_bytes()[:20_000])
    (folder / "garbage.tif").write_bytes(
        b"II*\0\x08\0\0\0" + bytes(range(255, 128, -1)) * 8
    )
    (folder / "empty.tif").write_bytes(b"")
    (folder / "empty").mkdir()
    with running(folder, STEADY) as started:
        begin(started, pipeline="steady")
        yield started
        started.call("session.stop", pipelines=["steady"])
        left = check_agreement(started, "steady")
    assert left.counts.dropped == {}
    assert left.seqs == list(range(left.counts.captured))
    assert left.manifest.state == "complete"


def configure(daemon: Daemon, *lines: str) -> None:
    """Give the daemon a pipeline `cam0` beside the steady one, which is idle."""
    found = daemon.call("status")["pipelines"].get("cam0", {}).get("state", "idle")
    if found not in ("idle", "complete", "incomplete"):  # a test before has failed
        daemon.call("session.stop", pipelines=["cam0"])
    toml = "\n".join(["[pipelines.cam0]", *lines])
    head = f'[daemon]\ndata_dir = "{daemon.folder}/data"\n'
    text = head + STEADY + toml
    daemon.config.write_text(text.replace("{folder}", str(daemon.folder)))
    daemon.call("reload")


def refusal(daemon: Daemon, *overrides: str, **params: Any) -> ControlError:  # noqa: ANN401
    """Start what cannot begin; give why."""
    params = {"pipelines": ["cam0"], "overrides": list(overrides), **params}
    with pytest.raises(ControlError) as refused:
        daemon.call("session.start", timeout_s=15.0, **params)
    return refused.value


def check_works(daemon: Daemon) -> None:
    """The next session of the same pipeline goes well."""
    assert record(daemon, frames=5)["state"] == "complete"
    assert check_agreement(daemon).counts.captured == 5


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('kind = "file", path = "{folder}/nowhere.mp4"', "nowhere.mp4: No such file"),
        ('kind = "file", path = "{folder}/empty"', "no images"),
        ('kind = "file", path = "/dev/zero"', "not a file"),
        ('kind = "file", path = "{folder}/garbage.mp4"', "garbage.mp4: not a video"),
        ('kind = "file", path = "{folder}/cut.mp4"', "cut.mp4: not a video"),
        ('kind = "file", path = "{folder}/garbage.tif"', "garbage.tif"),
        ('kind = "file", path = "{folder}/empty.tif"', "empty.tif"),
        ('kind = "opencv", device = 63', "63"),
        ('kind = "no.such.module:Camera"', "no module no"),
        ('kind = "{folder}/mine.py:Camera"', "has no Camera"),
        ('kind = "{folder}/mine.py:Picky"', "is not a Source"),
        ('kind = "{folder}/raising.py:Camera"', "no licence"),
        ('kind = "{folder}/syntax.py:Camera"', "SyntaxError"),
        ('kind = "{folder}/mine.py:BrokenSource"', "division by zero"),
    ],
)
def test_a_source_that_cannot_be_had_is_told(
    daemon: Daemon, source: str, told: str
) -> None:
    configure(daemon, f"source = {{ {source} }}", "encoder = {}")
    first = refusal(daemon)
    again = refusal(daemon, wait="first")

    assert first.code == again.code == "E_CAMERA"
    assert told in str(first)
    assert str(first).startswith("cam0: ")
    assert daemon.pipeline()["state"] == "incomplete"


def test_a_source_that_is_mended_works_without_more_ado(daemon: Daemon) -> None:
    path = daemon.folder / "later.mp4"
    configure(daemon, f'source = {{ kind = "file", path = "{path}" }}', "encoder = {}")
    first = refusal(daemon)
    path.symlink_to(clip("bikes.mp4"))
    result = record(daemon, "source.fps=0", frames=3)

    assert first.code == "E_CAMERA"
    assert (result["state"], result["counts"]["captured"]) == ("complete", 3)


def test_a_video_that_breaks_off_ends_the_session_with_what_there_was(
    daemon: Daemon,
) -> None:
    whole = clip("bikes.mp4").read_bytes()
    # its index stands at the end: keep it, and spoil the pictures in between
    spoilt = (
        whole[: len(whole) // 2] + bytes(len(whole) // 4) + whole[len(whole) * 3 // 4 :]
    )
    (daemon.folder / "spoilt.mp4").write_bytes(spoilt)
    configure(
        daemon,
        'source = { kind = "file", path = "{folder}/spoilt.mp4", fps = 0 }',
        'ring = { when_full = "wait" }',
        "encoder = {}",
    )
    result = record(daemon)

    counts = result["counts"]
    assert counts["captured"] == counts["encoders"]["main"]["recorded"] > 50
    assert result["state"] in ("complete", "incomplete")


@pytest.mark.parametrize(
    "inline", ["false", pytest.param("true", marks=pytest.mark.system)]
)
@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("no.such.module:Motion", "no module no"),
        ("{folder}/nowhere.py:Motion", "nowhere.py: no such file"),
        ("{folder}/mine.py:Motion", "has no Motion"),
        ("{folder}/mine.py:not_a_callback", "neither a subclass"),
        ("{folder}/raising.py:Motion", "no licence (in {folder}/raising.py, line 2)"),
        ("{folder}/syntax.py:Motion", "SyntaxError"),
    ],
)
def test_a_callback_that_cannot_be_loaded_is_told(
    daemon: Daemon, inline: str, target: str, told: str
) -> None:
    named = f'name = "motion"\ntarget = "{target}"\ninline = {inline}'
    configure(
        daemon, GOOD_SOURCE, "encoder = {}", "[[pipelines.cam0.callbacks]]", named
    )
    refused = refusal(daemon)

    assert refused.code == "E_CONFIG"
    assert told.replace("{folder}", str(daemon.folder)) in str(refused)
    assert daemon.pipeline()["state"] == "incomplete"


@pytest.mark.parametrize(
    "nonsense",
    ["text", "list", "small", "other", "objects", "nothing", "names", "set_up"],
)
def test_what_an_inline_callback_returns_costs_the_session_nothing_else(
    daemon: Daemon, nonsense: str
) -> None:
    configure(
        daemon,
        GOOD_SOURCE,
        "encoder = {}",
        "[[pipelines.cam0.callbacks]]",
        'name = "picky"\ntarget = "{folder}/mine.py:Picky"\ninline = true',
    )
    asked = f"callbacks.picky.settings.nonsense={nonsense}"
    result = record(daemon, asked, frames=20)
    left = check_agreement(daemon)

    assert result["state"] == "complete"
    assert left.seqs == list(range(20))


@pytest.mark.parametrize("nonsense", ["text", "objects", "nothing"])
def test_an_input_that_is_no_frame_is_a_callback_error(
    daemon: Daemon, nonsense: str
) -> None:
    configure(
        daemon,
        GOOD_SOURCE,
        'encoder = { input = "callback:picky" }',
        "[[pipelines.cam0.callbacks]]",
        'name = "picky"\ntarget = "{folder}/mine.py:Picky"\ninline = true',
    )
    asked = f"callbacks.picky.settings.nonsense={nonsense}"
    result = record(daemon, asked, frames=20)

    main = result["counts"]["encoders"]["main"]
    assert main["recorded"] == 0
    assert main["skipped"] == {"callback_error": 20}
    check_works(daemon)


@pytest.mark.parametrize(
    "nonsense", ["text", pytest.param("set_up", marks=pytest.mark.system)]
)
def test_a_callback_process_that_fails_leaves_the_recording_alone(
    daemon: Daemon, nonsense: str
) -> None:
    configure(
        daemon,
        GOOD_SOURCE,
        "encoder = {}",
        "[[pipelines.cam0.callbacks]]",
        'name = "picky"\ntarget = "{folder}/mine.py:Picky"\npolicy = "every"',
    )
    asked = f"callbacks.picky.settings.nonsense={nonsense}"
    with listening(daemon, "event.cam0") as telemetry:
        begin(daemon, asked)
        died = wait_for(telemetry, "event.cam0", lambda m: m["name"] == "worker_died")
        daemon.call("session.stop", pipelines=["cam0"])
    left = check_agreement(daemon)

    assert died["details"]["worker"] == "picky"
    assert left.counts.dropped == {}
    assert left.manifest.state == "complete"


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ('file = "{folder}/nowhere.csv"', "nowhere.csv"),
        ('file = "{folder}/garbage.tif"', "garbage.tif"),
        ('generator = "{folder}/mine.py:nobody"', "has no nobody"),
        ('generator = "{folder}/raising.py:times"', "no licence"),
    ],
)
def test_a_timetable_that_cannot_be_had_is_told(
    daemon: Daemon, schedule: str, told: str
) -> None:
    configure(daemon, GOOD_SOURCE, f"schedule = {{ {schedule} }}", "encoder = {}")
    refused = refusal(daemon)

    assert refused.code == "E_CONFIG"
    assert told in str(refused)


def test_a_timetable_that_runs_backwards_ends_the_session(daemon: Daemon) -> None:
    generator = 'schedule = { generator = "{folder}/mine.py:backwards" }'
    configure(daemon, GOOD_SOURCE, generator, "encoder = {}")
    result = record(daemon)

    assert result["state"] == "incomplete"
    assert "must be after" in result["error"]["message"]


def test_more_than_a_message_can_hold_is_refused(daemon: Daemon) -> None:
    times = [i / 1000 for i in range(20_000)]
    schedule = f"schedule = {{ times_s = {times} }}"
    configure(daemon, GOOD_SOURCE, schedule, "encoder = {}")
    refused = refusal(daemon)

    assert refused.code == "E_CONFIG"
    assert "larger than" in str(refused)
    configure(daemon, GOOD_SOURCE, "encoder = {}")
    check_works(daemon)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["ring.slots=65535"], "ring.slots"),
        (["ring.slots=4", "ring.overflow_size='100 TiB'"], "ring.overflow_size"),
        (
            ["ring.slots=4", "ring.overflow=memory", "ring.overflow_size='100 TiB'"],
            "ring.overflow_size",
        ),
    ],
)
def test_a_ring_that_does_not_fit_is_refused(
    daemon: Daemon, overrides: list[str], told: str
) -> None:
    configure(daemon, GOOD_SOURCE, "encoder = {}")
    large = ["source.width=4096", "source.height=4096", "source.channels=4"]
    refused = refusal(daemon, *large, *overrides)

    assert refused.code == "E_CONFIG"
    assert told in str(refused)
    check_works(daemon)


@pytest.mark.parametrize("overflow", ["disk", "memory"])
@pytest.mark.parametrize("place", ["file/data", "/proc/imagemp"])
def test_a_data_folder_that_cannot_be_made_is_told(
    tmp_path: Path, place: str, overflow: str
) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "file").write_text("in the way")
    (folder / "data").symlink_to(place)
    ring = f'ring = {{ overflow = "{overflow}", overflow_size = "1 MiB" }}'
    toml = f"[pipelines.cam0]\n{GOOD_SOURCE}\n{ring}\nencoder = {{}}\n"
    with running(folder, toml) as daemon:
        refused = refusal(daemon)
        again = refusal(daemon)

    expected = {"E_DISK", "E_CONFIG"}  # of the recording, or of the overflow file
    assert {refused.code, again.code} <= expected
    assert str(folder / "data") in str(refused)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("ring.slots=1", "ring.slots"),
        ("ring.slots=many", "ring.slots"),
        ("ring.slotz=64", "slots"),
        ("source.kind=file", "kind"),
        ("source.path=/etc/passwd", "path"),
        ("encoder.name=../../x", "encoder.name"),
        ("encoder.input=callback:nobody", "nobody"),
        ("callbacks.nobody.policy=every", "nobody"),
        ("schedule.every_s=0", "every_s"),
        ("autostart=true", "autostart"),
        ("=", "key=value"),
    ],
)
def test_an_override_that_cannot_be_is_refused(
    daemon: Daemon, override: str, told: str
) -> None:
    configure(daemon, GOOD_SOURCE, "encoder = {}")
    refused = refusal(daemon, override)

    assert refused.code == "E_CONFIG"
    assert told in str(refused)


@pytest.mark.parametrize(
    "params",
    [
        {"pipelines": ["nobody"]},
        {"duration_s": 0},
        {"duration_s": -1},
        {"frames": 0},
        {"frames": 1.5},
        {"at": "yesterday"},
        {"wait": "long"},
        {"overrides": ["ring.slots"]},
        {"duraton_s": 5},
    ],
)
def test_a_parameter_that_cannot_be_is_refused(
    daemon: Daemon, params: dict[str, Any]
) -> None:
    configure(daemon, GOOD_SOURCE, "encoder = {}")
    refused = refusal(daemon, **params)

    assert refused.code == "E_PARAMS"
    check_works(daemon)


@pytest.fixture
def client(daemon: Daemon) -> Iterator[RawClient]:
    made = RawClient(daemon.runtime / "control.sock")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b"IMP1", b"[]"], "E_JSON"),
        ([b"IMP1", b"5"], "E_JSON"),
        ([b"IMP1", b'{"v":1,"id":"c1","method":"pi'], "E_JSON"),
        ([b"IMP1", b"[" * 60_000], "E_JSON"),
        ([b"IMP1", b'{"v":1,"id":"c1","method":"\xff\xfe"}'], "E_JSON"),
        ([b"IMP1", b""], "E_JSON"),
        ([b"IMP1"], "E_FRAME"),
        ([b"IMP1", b"{}", b"{}"], "E_FRAME"),
        ([b"IMP9", b"{}"], "E_FRAME"),
        ([b"IMP1", b"{}"], "E_VERSION"),
        ([b"IMP1", b'{"v":1,"id":"c1","method":"rm"}'], "E_METHOD"),
        ([b"IMP1", b'{"v":1,"id":"c1","method":"ping","params":{"x":1}}'], "E_PARAMS"),
    ],
)
def test_garbage_is_answered_with_a_code_and_then_forgotten(
    client: RawClient, frames: list[bytes], code: str
) -> None:
    client.say(*frames)
    told = client.hear()
    client.ask("ping")
    pinged = client.hear()

    assert (told["ok"], told["error"]["code"]) == (False, code)
    assert told["error"]["message"]
    assert pinged["ok"]


@pytest.mark.parametrize("name", ["control.sock", "telemetry.sock"])
def test_noise_on_a_socket_disturbs_nobody(daemon: Daemon, name: str) -> None:
    with socket.socket(socket.AF_UNIX) as noisy:
        noisy.connect(str(daemon.runtime / name))
        noisy.settimeout(5)
        try:
            noisy.sendall(os.urandom(100_000))
            while noisy.recv(4096):
                pass
        except OSError:
            pass  # it may close the connection, and should
    assert daemon.call("ping")["uptime_s"] > 0


def test_noise_on_the_socket_of_frames_disturbs_nobody(daemon: Daemon) -> None:
    for packet in (b"", b"{", b"[" * 4000, os.urandom(4000), b"null", b"{}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as noisy:
            noisy.connect(str(daemon.runtime / "frames.sock"))
            noisy.settimeout(5)
            noisy.send(packet)
    assert daemon.call("ping")["uptime_s"] > 0


def test_a_configuration_that_cannot_be_read_changes_nothing(daemon: Daemon) -> None:
    configure(daemon, GOOD_SOURCE, "encoder = {}")
    daemon.config.write_text("[pipelines.cam0]\nsource = 5\n")
    with pytest.raises(ControlError, match="source") as refused:
        daemon.call("reload")

    assert refused.value.code == "E_CONFIG"
    check_works(daemon)
