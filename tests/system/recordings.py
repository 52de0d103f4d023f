"""Checks a recording that a machine has made, page by page."""

from pathlib import Path

from imagemp.daemon.sources.seqmark import read_seq, seq_modulus
from imagemp.recording.reading import frames, read_pixels
from tests.recording.proofs import crc_matches


def intact_frames(folder: Path) -> int:
    """Give how many frames there are; each must be the one that its tags say."""
    count = 0
    for path, (page,) in frames(folder):
        assert crc_matches(path, page)
        pixels = read_pixels(path, page)
        assert read_seq(pixels) == page.seq % seq_modulus(pixels)
        assert page.index == count
        count += 1
    return count
