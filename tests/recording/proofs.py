"""What only tests ask of a file: whether its pixels are right, what others find."""

from pathlib import Path

from imagemp.recording.tiff.pagerecord import PageRecord, has_its_pixels, opened


def crc_matches(path: Path, page: PageRecord) -> bool:
    """Whether the pixels are the ones that were written."""
    with opened(path) as file:
        return has_its_pixels(file, page)


def count_packets(path: Path) -> int:
    """Count what FFmpeg finds in a video."""
    import av

    with av.open(str(path)) as file:
        return sum(1 for packet in file.demux(video=0) if packet.size)
