"""The order of colours: OpenCV's is BGR, a ring's is RGB."""

import numpy as np

from imagemp.frames import AnyArray


def copy_as_rgb(image: AnyArray, out: AnyArray) -> None:
    """Copy OpenCV's image into `out`: BGR becomes RGB, BGRA RGBA, grey stays."""
    import cv2

    if image.ndim == 2:
        np.copyto(out, image)
    elif image.shape[2] == 4:
        cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA, dst=out)
    else:
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=out)
