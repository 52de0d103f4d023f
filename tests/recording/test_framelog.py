"""The frame log keeps in step with the pages."""

from pathlib import Path

import numpy as np
import pytest

from imagemp.frames import Frame, FrameInfo
from imagemp.recording.framelog import COLUMNS, FrameLog, cell
from imagemp.recording.plan import RecordingPlan
from imagemp.recording.writer import Recording
from imagemp.spec import Field, FrameSpec
from tests.recording.shots import RGBD, SMALL, log_column, record, shot

PAGE = Path(__file__).parents[2] / "docs/pages.md"
HEADER = (
    "seq,index,file,page,t_sensor_ns,t_arrival_ns,t_unix_ns,"
    "missed_before,ring_used,overflow_used"
)
FIELDS = (Field("lens", "f8"), Field("label", "S16"), Field("pose", "f4", (2, 2)))


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Give a folder with five frames of two planes."""
    with Recording.create(tmp_path, RecordingPlan(RGBD)) as recording:
        record(recording, range(5))
    return tmp_path


def resumed(folder: Path) -> list[str]:
    """Resume and close; give the log's rows."""
    Recording.resume(folder, RecordingPlan(RGBD)).close()
    return (folder / "frames.csv").read_text().splitlines()


def test_a_row_says_all_about_a_frame(recorded: Path) -> None:
    header, *rows = (recorded / "frames.csv").read_text().splitlines()

    assert header == HEADER
    assert len(rows) == 5
    stamps = "3000000000,3000000005,1800000003000000000"
    assert rows[3] == f"6,3,frames-0000.tif,6,{stamps},1,3,1"


def test_user_fields_have_columns_of_their_own(tmp_path: Path) -> None:
    spec = FrameSpec.image((6, 8), fields=FIELDS)
    values = {"lens": np.float64(0.5), "label": b"a,b\nc", "pose": np.eye(2)}
    with Recording.create(tmp_path, RecordingPlan(spec)) as recording:
        recording.append(Frame(shot(SMALL, 0).planes, FrameInfo(fields=values)))

    header, row = (tmp_path / "frames.csv").read_text().splitlines()
    assert header == HEADER + ",lens,label,pose"
    assert row.endswith(',0.5,"a,b\\nc",1.0 0.0 0.0 1.0')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\xff", "\\\\xff"),
        ("\u00e9\n", "\\xe9\\n"),
        (np.bool_(1), "True"),
        (np.array([b"a", b"b"]), "a b"),
        (np.array(7), "7"),
        (0.5, "0.5"),
    ],
)
def test_a_users_value_is_one_line_of_ascii(value: object, text: str) -> None:
    assert str(cell(value)) == text


def test_rows_that_no_page_vouches_for_are_cut(recorded: Path) -> None:
    before = (recorded / "frames.csv").read_text()
    with (recorded / "frames.csv").open("a") as log:
        log.write("10,5,frames-0000.tif,10,1,2,3,4,5,6\n12,6,fra")

    assert resumed(recorded) == before.splitlines()


@pytest.mark.parametrize("kept", [0, 1, 3, 5])
def test_rows_that_are_missing_are_made_from_the_pages(
    recorded: Path, kept: int
) -> None:
    rows = (recorded / "frames.csv").read_text().splitlines(keepends=True)
    (recorded / "frames.csv").write_text("".join(rows[: kept + 1]))

    found = resumed(recorded)

    assert found == [row.rstrip("\n") for row in rows]


@pytest.mark.parametrize("text", ["", "seq,ind", "\0" * 4096, "dear diary\n1,2,3\n"])
def test_a_log_without_its_header_is_made_anew(recorded: Path, text: str) -> None:
    (recorded / "frames.csv").write_text(text)

    assert resumed(recorded)[0] == HEADER
    assert log_column(recorded, "index") == ["0", "1", "2", "3", "4"]


def test_all_after_a_broken_row_is_made_anew(recorded: Path) -> None:
    rows = (recorded / "frames.csv").read_text().splitlines(keepends=True)
    rows[2] = "\0" * len(rows[2])
    (recorded / "frames.csv").write_text("".join(rows))

    resumed(recorded)

    assert log_column(recorded, "index") == ["0", "1", "2", "3", "4"]
    assert log_column(recorded, "ring_used") == ["3"] * 5


def test_rows_are_added_while_others_are_flushed(tmp_path: Path) -> None:
    log = FrameLog.create(tmp_path / "frames.csv", ())

    for index in range(10):
        log.add(FrameInfo(index=index), "frames-0000.tif", index)
        log.flush()
    log.close()
    log.close()

    assert log_column(tmp_path, "index") == [str(n) for n in range(10)]


def test_the_page_explains_every_column_with_its_unit() -> None:
    _, table = PAGE.read_text().split("| column | unit | meaning |\n")
    rows = [row.split("|") for row in table.partition("\n\n")[0].splitlines()[1:]]

    assert [row[1].strip(" `") for row in rows] == list(COLUMNS)
    assert all(row[2].strip() for row in rows if "file" not in row[1])
