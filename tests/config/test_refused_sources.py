"""Keys and values that a source cannot have, by its kind."""

import pytest

from .texts import refusal

KINDS = (
    "synthetic, file, opencv, picamera2, stereo, "
    '"package.module:Class" or "/path/file.py:Class"'
)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", "kind: must be given, is missing"),
        ('kind = "syntetic"', f"kind: must be {KINDS}, is 'syntetic'"),
        ("kind = 3", f"kind: must be {KINDS}, is 3"),
        ("kind = []", f"kind: must be {KINDS}, is []"),
        ('kind = "file"', "path: must be given, is missing"),
        ('kind = "file"\npath = ""', "path: must be a path, is ''"),
        ('kind = "file"\npath = "/a"\nfps = -1', "fps: must be at least 0, is -1"),
        (
            'kind = "file"\npath = "/a"\nlop = true',
            "lop: unknown key; did you mean loop? kind file has fps, loop, path, scale",
        ),
        (
            'kind = "file"\npath = "/a"\nwidth = 3',
            "width: unknown key; known are fps, loop, path, scale",
        ),
        (
            'kind = "synthetic"\npath = "/a"',
            "path: unknown key; did you mean depth? kind synthetic has buffers, "
            "channels, depth, dtype, fps, height, scale, shape, width",
        ),
        (
            'kind = "opencv"\nzoom = 3',
            "zoom: unknown key; known are device, exposure, fourcc, fps, height, "
            "scale, width",
        ),
        (
            'kind = "opencv"\ndevice = -1',
            "device: must be an index, a path or a URL, is -1",
        ),
        ('kind = "opencv"\nfourcc = "MJ"', "fourcc: must be four characters, is 'MJ'"),
        (
            'kind = "opencv"\nexposure = nan',
            "exposure: must be a finite number, is nan",
        ),
        ('kind = "synthetic"\nwidth = 0', "width: must be at least 1, is 0"),
        ('kind = "synthetic"\nwidth = 65537', "width: must be at most 65536, is 65537"),
        ('kind = "synthetic"\nchannels = 0', "channels: must be at least 1, is 0"),
        (
            'kind = "synthetic"\nfps = 1e9',
            "fps: must be at most 100000, is 1000000000.0",
        ),
        (
            'kind = "synthetic"\ndtype = "complex"',
            "dtype: must be one of u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8 c8 c16 bool, "
            "is 'complex'",
        ),
        ('kind = "synthetic"\nshape = []', "shape: must be a list of values, is []"),
        (
            'kind = "synthetic"\nshape = [1, 2, 3, 4, 5]',
            "shape: must have at most 4 items, has 5",
        ),
        ('kind = "synthetic"\nshape = [1, 0]', "shape[1]: must be at least 1, is 0"),
        (
            'kind = "picamera2"\nmode = [640]',
            "mode: must have 2 to 3 items, has 1",
        ),
        (
            'kind = "picamera2"\nroi = [0, 0, 1]',
            "roi: must have 4 items, has 3",
        ),
        (
            'kind = "picamera2"\nroi = [0, 0, 1, 1.5]',
            "roi[3]: must be at most 1, is 1.5",
        ),
        (
            'kind = "stereo"\ncameras = [0]',
            "cameras: must have 2 items, has 1",
        ),
        (
            'kind = "stereo"\nformat = "raw"',
            "format: must be grey or rgb, is 'raw'",
        ),
        ('kind = "synthetic"\nscale = 0', "scale: must be more than 0, is 0"),
        ('kind = "a.b:C"\nscale = 4.5', "scale: must be at most 4, is 4.5"),
    ],
)
def test_a_key_of_a_source_is_refused_by_name_with_found_and_expected(
    keys: str, expected: str
) -> None:
    text = f"[pipelines.cam0.source]\n{keys}"

    assert refusal(text) == f"pipelines.cam0.source.{expected}"
