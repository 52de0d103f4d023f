"""What the sections of a configuration hold once it is loaded."""

from typing import Any

import msgspec
import pytest

from imagemp.config import (
    ClassSource,
    Config,
    EncoderConfig,
    FileSource,
    OpencvSource,
    PipelineConfig,
    PiSource,
    RingConfig,
    ScheduleConfig,
    StereoSource,
    SyntheticSource,
    parse,
)

from .texts import CALLBACK, SOURCE


def pipeline(text: str) -> PipelineConfig:
    return parse(text).pipelines["cam0"]


def source(keys: str) -> Any:  # noqa: ANN401 (whichever kind the keys ask for)
    return pipeline(f"[pipelines.cam0.source]\n{keys}").source


def test_a_pipeline_with_nothing_but_a_source_works() -> None:
    got = pipeline(SOURCE)

    assert got == PipelineConfig(source=SyntheticSource())
    assert (got.source.kind, got.encoders, got.callbacks) == ("synthetic", (), ())
    assert (got.ring.slots, got.ring.overflow_size) == (32, 2 * 2**30)


def test_an_empty_configuration_works() -> None:
    assert parse("").pipelines == {}
    assert parse("").telemetry.rate_hz == 2.0


def test_an_empty_encoder_table_records_with_the_defaults() -> None:
    got = pipeline(f"{SOURCE}[pipelines.cam0.encoder]").encoders[0]

    assert got == EncoderConfig()
    assert (got.name, got.segment_pages, got.sync_ms) == ("main", 10_000, 200)
    assert got.segment_size == int(3.9 * 2**30)


def test_every_key_has_its_effect_on_what_is_loaded() -> None:
    config = parse(
        """
        [daemon]
        data_dir = "/mnt/usb"
        require_mount = true
        [telemetry]
        rate_hz = 10
        [pipelines.cam0]
        autostart = true
        [pipelines.cam0.source]
        kind = "synthetic"
        [pipelines.cam0.schedule]
        trigger = true
        start_in_s = 1
        frames_per_trigger = 2
        late = "catch-up"
        [pipelines.cam0.overlay]
        show = ["seq", "time"]
        rate_frames = 3
        position = "bottom-right"
        size = 2
        [pipelines.cam0.ring]
        slots = 2
        overflow = "memory"
        overflow_size = "1 MB"
        overflow_dir = "/mnt/nvme"
        when_full = "wait"
        outside_allowance = 3
        [[pipelines.cam0.encoder]]
        name = "raw"
        compression = "zlib"
        level = 12
        predictor = false
        sync_ms = 1
        segment_size = "0"
        segment_pages = 0
        segment_s = 1.5
        keep_free = "2 GiB"
        quota = "5 GB"
        quota_action = "delete-oldest"
        record_at_start = false
        input = "callback:motion"
        [[pipelines.cam0.callbacks]]
        name = "motion"
        target = "/lab/motion.py:Motion"
        policy = "every"
        inline = true
        buffer_length = 9
        full_buffer = true
        budget_ms = 12
        settings = { deep = { x = 1 } }
        """
    )

    plain = msgspec.to_builtins(config)
    got = plain["pipelines"]["cam0"]
    assert plain["daemon"] == {"data_dir": "/mnt/usb", "require_mount": True}
    assert plain["telemetry"] == {"rate_hz": 10.0}
    assert got["autostart"]
    assert got["schedule"] == {
        **msgspec.to_builtins(ScheduleConfig()),
        "trigger": True,
        "start_in_s": 1.0,
        "frames_per_trigger": 2,
        "late": "catch-up",
    }
    assert list(got["overlay"].pop("show")) == ["seq", "time"]
    assert got["overlay"] == {
        "rate_frames": 3,
        "position": "bottom-right",
        "size": 2.0,
    }
    assert got["ring"] == {
        "slots": 2,
        "overflow": "memory",
        "overflow_size": 1_000_000,
        "overflow_dir": "/mnt/nvme",
        "when_full": "wait",
        "outside_allowance": 3,
    }
    (encoder,) = got["encoder"]
    assert encoder == {
        "name": "raw",
        "format": "tiff",
        "compression": "zlib",
        "level": 12,
        "predictor": False,
        **dict.fromkeys(("codec", "preset", "crf", "quality", "bitrate")),
        "sync_ms": 1,
        "segment_size": 0,
        "segment_pages": 0,
        "segment_s": 1.5,
        "keep_free": 2 * 2**30,
        "quota": 5_000_000_000,
        "quota_action": "delete-oldest",
        "record_at_start": False,
        "pre_s": 0.0,
        "post_s": 0.0,
        "input": "callback:motion",
    }
    assert list(got["callbacks"]) == [
        {
            "name": "motion",
            "target": "/lab/motion.py:Motion",
            "policy": "every",
            "inline": True,
            "input": None,
            "buffer_length": 9,
            "full_buffer": True,
            "budget_ms": 12.0,
            "settings": {"deep": {"x": 1}},
        }
    ]


@pytest.mark.parametrize(
    ("keys", "is_armed", "is_on"),
    [
        ("", False, True),
        ("record_at_start = false", False, False),
        ("pre_s = 1.5", True, False),
        ("post_s = 0.5\nrecord_at_start = false", True, False),
    ],
)
def test_an_encoder_records_from_the_start_unless_it_waits_for_something(
    keys: str, *, is_armed: bool, is_on: bool
) -> None:
    config = parse(f"{SOURCE}[pipelines.cam0.encoder]\n{keys}")

    (encoder,) = config.pipelines["cam0"].encoders
    assert (encoder.is_armed, encoder.records_at_start) == (is_armed, is_on)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            'kind = "synthetic"\nwidth = 8\nchannels = 3\nfps = 0\ndepth = true',
            SyntheticSource(width=8, channels=3, fps=0.0, depth=True),
        ),
        (
            'kind = "synthetic"\nshape = [4, 5]\ndtype = "<u2"\nscale = 0.5',
            SyntheticSource(shape=(4, 5), dtype="<u2", scale=0.5),
        ),
        ('kind = "file"\npath = "/a.mkv"', FileSource(path="/a.mkv")),
        (
            'kind = "file"\npath = "/a"\nfps = 0\nloop = true',
            FileSource(path="/a", fps=0.0, loop=True),
        ),
        ('kind = "opencv"', OpencvSource(device=0)),
        (
            'kind = "opencv"\ndevice = "rtsp://x/1"\nfourcc = "MJPG"\nexposure = -4',
            OpencvSource(device="rtsp://x/1", fourcc="MJPG", exposure=-4.0),
        ),
        (
            'kind = "picamera2"\ncamera = "imx219"\nmode = [640, 480, 10]\n'
            'format = "raw"\nroi = [0, 0, 0.5, 1]\nbuffers = 4\nhflip = true\n'
            "vflip = true\ncontrols = { ExposureTime = 5000 }",
            PiSource(
                camera="imx219",
                mode=(640, 480, 10),
                format="raw",
                roi=(0.0, 0.0, 0.5, 1.0),
                buffers=4,
                hflip=True,
                vflip=True,
                controls={"ExposureTime": 5000},
            ),
        ),
        (
            'kind = "stereo"\ncameras = [1, 0]\nlayout = "planes"\nsync = true',
            StereoSource(cameras=(1, 0), layout="planes", sync=True),
        ),
        (
            'kind = "lab.cam:Cam"\ngain = 4\nscale = 2\nlist = [1]',
            ClassSource(
                target="lab.cam:Cam", options={"gain": 4, "list": [1]}, scale=2.0
            ),
        ),
        ('kind = "/lab/cam.py:Cam"', ClassSource(target="/lab/cam.py:Cam")),
    ],
)
def test_each_kind_of_source_has_its_own_keys(keys: str, expected: object) -> None:
    assert source(keys) == expected


@pytest.mark.parametrize(
    ("keys", "settings"),
    [
        (
            'kind = "opencv"\nfps = 30',
            {"kind": "opencv", "scale": 1.0, "device": 0, "fps": 30.0},
        ),
        ('kind = "a.b:C"\ngain = 4', {"kind": "a.b:C", "scale": 1.0, "gain": 4}),
        (
            'kind = "file"\npath = "/a"',
            {"kind": "file", "scale": 1.0, "path": "/a", "loop": False},
        ),
    ],
)
def test_the_settings_of_a_source_are_its_table_with_defaults(
    keys: str, settings: dict[str, Any]
) -> None:
    assert source(keys).settings() == settings


@pytest.mark.parametrize(
    ("keys", "shape"),
    [
        ("", (480, 640)),
        ("channels = 3", (480, 640, 3)),
        ("shape = [7]\nwidth = 9", (7,)),
        ("shape = [1, 2, 3, 4]", (1, 2, 3, 4)),
    ],
)
def test_a_synthetic_source_knows_its_shape(keys: str, shape: tuple[int, ...]) -> None:
    assert source(f'kind = "synthetic"\n{keys}').frame_shape == shape


def test_a_config_survives_the_way_to_a_worker() -> None:
    config = parse(
        f'{SOURCE}{CALLBACK}[pipelines.b.source]\nkind = "a.b:C"\nx = 1\n'
        '[pipelines.c.source]\nkind = "file"\npath = "/a"\n[pipelines.d.source]\n'
        'kind = "opencv"\n[pipelines.d.schedule]\ntimes_s = [0, 1]\n'
    )

    assert msgspec.json.decode(msgspec.json.encode(config), type=Config) == config


def test_sections_are_frozen() -> None:
    with pytest.raises(AttributeError):
        RingConfig().slots = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        ("/var/lib/imagemp", "/var/lib/imagemp"),
        ("/var/lib/imagemp:/var/lib/other", "/var/lib/imagemp"),
        ("", "/home/ada/.local/state/imagemp"),
    ],
)
def test_the_data_dir_is_systemds_or_the_users(
    monkeypatch: pytest.MonkeyPatch, granted: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("STATE_DIRECTORY", granted)

    assert parse("").daemon.data_dir == expected


def test_the_keys_of_a_video_have_their_effect() -> None:
    got = pipeline(
        f"""
        {SOURCE}
        [[pipelines.cam0.encoder]]
        format = "mp4"
        codec = "libx264"
        preset = "slow"
        crf = 7
        [[pipelines.cam0.encoder]]
        name = "jpeg"
        format = "mkv"
        codec = "mjpeg"
        quality = 8
        [[pipelines.cam0.encoder]]
        name = "hard"
        format = "mkv"
        codec = "h264_v4l2m2m"
        bitrate = 90_000
        """
    ).encoders

    assert (got[0].format, got[0].codec, got[0].preset, got[0].crf) == (
        "mp4",
        "libx264",
        "slow",
        7,
    )
    assert (got[1].format, got[1].codec, got[1].quality) == ("mkv", "mjpeg", 8)
    assert (got[2].codec, got[2].bitrate) == ("h264_v4l2m2m", 90_000)
