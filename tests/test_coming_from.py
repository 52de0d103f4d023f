"""What docs/coming-from.md names is there, and nothing known is left out."""

import re

import pytest

from .test_docs import ROOT

PAGE = ROOT / "docs/coming-from.md"
KNOWN = {
    "pearsonlab/imagemp": (
        "SharedSingleFrame",
        "circular list",
        "overflow_di",
        "overflow list",
        "memmap",
        "FrameGrabberRunner",
        "grabber factory",
        "dt=0.05",
        "iterable",
        "generator",
        "t0",
        "`n`",
        "start_at",
        "start_in",
        "capture event",
        "Consumer",
        "next",
        "last",
        "run_pre_loop",
        "run_loop_pre_acquire",
        "run_loop_acquire",
        "run_loop_post_acquire",
        "SharedEvents",
        "exit all",
        "ElapsedTimer",
        "array_type",
        "timestamp_type",
    ),
    "ProcessedPiRecorder": (
        "tif_path",
        "x_resolution",
        "y_resolution",
        "16 and 32",
        "scale_factor",
        "framerate",
        "rec_length",
        "`display`",
        "camera_reader",
        "file_writer",
        "`stereo`",
        "`timestamp`",
        "report_Hz",
        "monitor_qs",
        "Hz_buffer",
        "`callback(",
        "2Proc",
        "3Proc",
        "cb_queue",
        "blocking",
        "stopVid",
        "write_vid",
        "tif_compression",
        "buffer_length",
        "log_file",
        "latency log",
    ),
    "airo-camera-toolkit, multiprocess": (
        "Publisher",
        "Receiver",
        "namespace",
        "late attach",
        "blocking with timeout",
        "RGB-D",
        "stereo RGB-D",
        "rerun loggers",
        "video recorder `start`, `stop`",
        "missed frames filled",
        "missed frames marked",
    ),
    "A live viewer in matplotlib": (
        "put",
        "wrap",
        "index pipe",
        "Ready",
        "newest only",
        "saver",
    ),
}


def section(title: str) -> str:
    """Give what stands below a heading of the page."""
    return PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """Give the rows of a section: what was there, what is here, what shows it."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def proofs(title: str) -> dict[str, str]:
    """Give the tests of a section by their number."""
    return dict(re.findall(r"^(\d+)\. `([^`]+)`$", section(title), re.M))


every_section = pytest.mark.parametrize("title", KNOWN)


def test_the_page_has_these_sections_and_no_other() -> None:
    assert re.findall(r"^## (.+)$", PAGE.read_text(), re.M) == list(KNOWN)


@every_section
def test_everything_that_is_known_has_a_row(title: str) -> None:
    there = [row[0] for row in rows(title)]

    assert [one for one in KNOWN[title] if not any(one in t for t in there)] == []
    assert len(there) == len(set(there))


@every_section
def test_every_row_has_a_counterpart_and_what_shows_it(title: str) -> None:
    numbers = proofs(title)

    for there, here, shown in rows(title):
        assert there
        assert here
        if shown not in numbers:
            assert (ROOT / shown.strip("`")).is_file(), there
            assert shown.startswith("`examples/"), there


@every_section
def test_every_test_that_is_listed_is_there_and_used(title: str) -> None:
    used = {shown for _, _, shown in rows(title)}

    for number, proof in proofs(title).items():
        file, _, name = proof.partition("::")
        assert f"\ndef {name}(" in (ROOT / file).read_text(), proof
        assert number in used, proof
