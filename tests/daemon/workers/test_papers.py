"""The folder that an encoder makes, when one before it had begun to."""

from pathlib import Path

import pytest

from imagemp.daemon.workers.orders import OpenSession
from imagemp.daemon.workers.papers import EncoderPlan, Papers
from imagemp.errors import DiskError
from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import read_manifest
from imagemp.recording.plan import SegmentLimits


@pytest.fixture
def plan(tmp_path: Path) -> EncoderPlan:
    return EncoderPlan("main", "cam0", str(tmp_path), SegmentLimits(), 200)


def test_a_folder_of_one_that_died_before_it_answered_is_taken_over(
    plan: EncoderPlan,
) -> None:
    Papers.create(plan, OpenSession("s1", 77)).close()  # it got as far as this

    papers = Papers.create(plan, OpenSession("s1", 77, again=True))

    assert read_manifest(papers.path).started_unix_ns == 77
    papers.close()


def test_a_folder_of_another_session_is_not(plan: EncoderPlan) -> None:
    Papers.create(plan, OpenSession("s1", 77)).close()

    with pytest.raises(DiskError, match="File exists"):
        Papers.create(plan, OpenSession("s1", 78))


def test_a_folder_without_a_manifest_is_let_go_for_recovery(plan: EncoderPlan) -> None:
    path = Path(plan.data_dir) / "cam0" / "s1"
    (path / "session.json.new").mkdir(parents=True)  # so it cannot be written

    with pytest.raises(DiskError, match="Is a directory"):
        Papers.create(plan, OpenSession("s1", 77))

    SessionFolder.open(path, alone=True).close()
