"""A pipeline looks like a camera of airo-camera-toolkit, in its numbers too."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import imagemp
from imagemp.camera import CameraReceiver
from imagemp.daemon.sources.seqmark import read_seq
from imagemp.errors import FrameShapeError
from imagemp.images import as_float, as_int, as_picture, as_points, as_rgb
from tests.daemon.test_recording import begin
from tests.running import Daemon, running

EXAMPLE = Path(__file__).parent.parent / "examples/rgbd.py"
SIZE = "width = 64, height = 48"
CONFIG = f"""
[pipelines.grey]
source = {{ kind = "synthetic", {SIZE}, fps = 100 }}
[pipelines.colour]
source = {{ kind = "synthetic", {SIZE}, fps = 50, channels = 3, depth = true }}
[pipelines.deep]
source = {{ kind = "synthetic", {SIZE}, fps = 100, dtype = "u2" }}
[pipelines.wall]
source = {{ kind = "{EXAMPLE}:Wall", {SIZE}, fps = 100 }}
[pipelines.stereo]
source = {{ kind = "{{folder}}/pair.py:Pair" }}
[pipelines.idle]
source = {{ kind = "synthetic" }}
"""


PAIR = """
import numpy as np
from imagemp import Field, FrameSpec, Plane
from imagemp.daemon.sources.base import Grab, Source
from imagemp.daemon.sources.pace import Pace

LEFT, RIGHT = np.diag([50.0, 50, 1]), np.diag([60.0, 60, 1])
POSE = np.eye(4) + np.outer([0.12, 0, 0, 0], [0, 0, 0, 1])

class Pair(Source):
    def open(self):
        self.pace, self.fps = Pace(50), 50.0
        planes = [Plane(name, (4, 6, 3), "u1") for name in ("left", "right")]
        planes += [Plane("depth", (4, 6), "f4"), Plane("confidence", (4, 6), "f4")]
        fields = [Field(f"intrinsics_{s}", "f8", (3, 3)) for s in ("left", "right")]
        fields.append(Field("pose_of_right_view_in_left_view", "f8", (4, 4)))
        return FrameSpec(tuple(planes), tuple(fields))

    def grab(self, wake):
        if not self.pace.wait(wake):
            return None
        fields = {"intrinsics_left": LEFT, "intrinsics_right": RIGHT}
        fields["pose_of_right_view_in_left_view"] = POSE
        return Grab(*self.pace.take_newest(), fields=fields)

    def retrieve(self, frame):
        frame["left"][:], frame["right"][:] = 10, 20
        frame["depth"][:], frame["confidence"][:] = 2, 0.75

    def close(self):
        pass
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon all of whose cameras run, but for `idle`."""
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "pair.py").write_text(PAIR)
    with running(folder, CONFIG) as started:
        for pipeline in ("grey", "colour", "deep", "wall", "stereo"):
            begin(started, pipeline=pipeline)
        yield started


def test_it_says_what_camera_it_is(daemon: Daemon) -> None:
    with imagemp.CameraReceiver("wall", runtime_dir=daemon.runtime) as camera:
        found = camera.resolution, camera.fps
        intrinsics = camera.intrinsics_matrix()

    assert found == ((64, 48), 100.0)
    assert intrinsics.dtype == np.float64
    assert intrinsics.tolist() == [[64, 0, 32], [0, 64, 24], [0, 0, 1]]


def test_one_grab_serves_several_images(daemon: Daemon) -> None:
    with CameraReceiver("colour", runtime_dir=daemon.runtime) as camera:
        camera.grab()
        whole = camera.retrieve_rgb_image_as_int()
        between = camera.retrieve_rgb_image()
        depth = camera.retrieve_depth_map()
        seq = camera.current_frame_id

    assert (whole.shape, whole.dtype.str) == ((48, 64, 3), "|u1")
    assert (between.shape, between.dtype.str) == ((48, 64, 3), "<f4")
    assert (depth.shape, depth.dtype.str) == ((48, 64), "<f4")
    assert read_seq(whole) == seq
    assert read_seq(np.rint(depth * 1000).astype("u2")) == seq
    assert np.array_equal(np.rint(between * 255), whole)


def test_each_get_is_a_frame_that_was_not_there_before(daemon: Daemon) -> None:
    with CameraReceiver("grey", runtime_dir=daemon.runtime) as camera:
        seqs, times = [], []
        for get in (camera.get_rgb_image, camera.get_rgb_image_as_int) * 5:
            get()
            seqs.append(camera.get_current_frame_id())
            times.append(camera.get_current_timestamp())

    assert seqs == sorted(set(seqs))
    assert times == sorted(times)
    assert abs(times[-1] - time.time()) < 60


def test_grey_is_expanded_to_rgb(daemon: Daemon) -> None:
    with CameraReceiver("grey", runtime_dir=daemon.runtime) as camera:
        image = camera.get_rgb_image_as_int()
        seq = camera.current_frame_id

    assert image.shape == (48, 64, 3)
    assert [read_seq(image[..., n].copy()) for n in range(3)] == [seq] * 3


def test_sixteen_bits_are_scaled(daemon: Daemon) -> None:
    with CameraReceiver("deep", runtime_dir=daemon.runtime) as camera:
        between = camera.get_rgb_image()
        whole = camera.retrieve_rgb_image_as_int()

    assert 0.9 < between.max() <= 1
    assert np.array_equal(whole, np.floor(between * 65535 / 256 + 1e-3))


def test_a_depth_of_integers_is_in_units_of_the_scale(daemon: Daemon) -> None:
    with (
        CameraReceiver("wall", runtime_dir=daemon.runtime) as millimetres,
        CameraReceiver("wall", depth_scale=1.0, runtime_dir=daemon.runtime) as metres,
    ):
        near, far = millimetres.get_depth_map(), metres.get_depth_map()

    assert 0.9 < near.min() <= near.max() < 2.6
    assert 900 < far.min() <= far.max() < 2600


def test_the_two_views_of_a_stereo_source_are_told_apart(daemon: Daemon) -> None:
    with CameraReceiver("stereo", runtime_dir=daemon.runtime) as camera:
        camera.grab_images()
        left, right = (camera.retrieve_rgb_image_as_int(v) for v in ("left", "right"))
        focal = [camera.intrinsics_matrix(v)[0, 0] for v in ("left", "right")]
        pose = camera.pose_of_right_view_in_left_view
        sure = camera.retrieve_confidence_map()
        resolution = camera.resolution

    assert (left.max(), right.min()) == (10, 20)
    assert focal == [50, 60]
    assert pose[:, 3].tolist() == [0.12, 0, 0, 1]
    assert (sure == 0.75).all()
    assert resolution == (6, 4)


def test_a_point_cloud_has_the_place_and_colour_of_each_pixel(daemon: Daemon) -> None:
    with CameraReceiver("wall", runtime_dir=daemon.runtime) as camera:
        points, colours = camera.get_colored_point_cloud()
        depth = camera.retrieve_depth_map()
        image = camera.retrieve_rgb_image_as_int()

    x, y = 50, 12  # focal length 64, centre (32, 24)
    z = depth[y, x]
    at = y * 64 + x
    assert points[at] == pytest.approx([(x - 32) / 64 * z, (y - 24) / 64 * z, z])
    assert colours[at].tolist() == image[y, x].tolist()
    assert len(points) == len(colours) == 64 * 48


def test_a_distance_that_is_unknown_is_no_point_and_black() -> None:
    metres = np.array([[0, np.nan, 1.0, 4.0]], np.float32)
    rgb = np.arange(12, dtype=np.uint8).reshape(1, 4, 3)

    cloud = as_points(metres, rgb, np.eye(3))

    assert cloud.points.tolist() == [[2, 0, 1], [12, 0, 4]]
    assert cloud.colors.tolist() == [[6, 7, 8], [9, 10, 11]]
    assert as_picture(metres)[0, :, 0].tolist() == [0, 0, 64, 255]


def test_a_depth_can_be_looked_at(daemon: Daemon) -> None:
    with CameraReceiver("wall", runtime_dir=daemon.runtime) as camera:
        picture = camera.get_depth_image()

    assert (picture.shape, picture.dtype.str) == ((48, 64, 3), "|u1")
    assert picture.max() == 255
    assert picture[0, 0, 0] < picture[0, -1, 0]  # the wall is farther on the right


# ---- waiting


def test_no_frame_in_time_is_a_timeout(daemon: Daemon) -> None:
    with (
        CameraReceiver("idle", timeout_s=0.01, runtime_dir=daemon.runtime) as camera,
        pytest.raises(TimeoutError, match=r"idle: no frame within 0.01 s"),
    ):
        camera.get_rgb_image()


def test_who_does_not_block_sees_the_last_frame_again(daemon: Daemon) -> None:
    with CameraReceiver(
        "idle", blocking=False, timeout_s=10, runtime_dir=daemon.runtime
    ) as camera:
        begin(daemon, pipeline="idle", frames=1)
        camera.grab()
        first = camera.current_frame_id
        daemon.call("session.wait", pipelines=["idle"], session=session_of(daemon))
        camera.grab()
        again = camera.current_frame_id

    assert (first, again) == (0, 0)


def session_of(daemon: Daemon) -> str:
    """Give the last session of the pipeline `idle`."""
    return str(daemon.pipeline("idle")["session"])


# ---- what is no such camera


def test_what_the_source_does_not_tell_is_asked_for_by_name(daemon: Daemon) -> None:
    with CameraReceiver("grey", runtime_dir=daemon.runtime) as camera:
        with pytest.raises(FrameShapeError, match="no field 'intrinsics'"):
            camera.intrinsics_matrix()
        with pytest.raises(FrameShapeError, match="no plane depth; there is image"):
            camera.get_depth_map()
        with pytest.raises(FrameShapeError, match="no plane right; there is image"):
            camera.get_rgb_image("right")


@pytest.mark.parametrize(
    ("dtype", "white"), [("u1", 255), ("<u2", 65535), ("u4", 2**32 - 1), ("f4", 1)]
)
def test_white_is_white_whatever_the_dtype(dtype: str, white: int) -> None:
    pixels = np.array([[0, white]], dtype)

    assert as_float(pixels).tolist() == [[0, 1]]
    assert as_int(pixels).tolist() == [[0, 255]]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 3), (2, 3, 4)])
def test_one_three_or_four_colours_become_three(shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)

    found = as_rgb(pixels)
    assert found.shape == (2, 3, 3)
    assert np.array_equal(found[..., 0], pixels.reshape(2, 3, -1)[..., 0])


@pytest.mark.parametrize("shape", [(6,), (2, 3, 2), (2, 3, 3, 1)])
def test_other_shapes_are_no_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(FrameShapeError, match="is no image"):
        as_rgb(np.zeros(shape, np.uint8))


def test_other_dtypes_are_no_image() -> None:
    with pytest.raises(FrameShapeError, match="dtype int16"):
        as_float(np.zeros((2, 3), "i2"))


# ---- the example


def test_the_example_tells_where_the_wall_is(daemon: Daemon) -> None:
    told = subprocess.run(  # noqa: S603 - our own example
        [sys.executable, EXAMPLE, "wall", "3"],
        env=os.environ | {"IMAGEMP_RUNTIME_DIR": str(daemon.runtime)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=30,
    ).stdout.splitlines()

    assert len(told) == 3
    x, y, metres = map(float, told[0].rpartition("[")[2].strip("]").split())
    assert (x, y) == (0, 0)
    assert 1 < metres < 2.5
