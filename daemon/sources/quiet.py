"""OpenCV and the FFmpeg in it, kept from writing to stderr themselves.

What went wrong is in our own errors; their lines would fill the journal.
"""

import os


def quiet_opencv() -> None:
    """Silence both; before FFmpeg's first use, which reads its level once."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
