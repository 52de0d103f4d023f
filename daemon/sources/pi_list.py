"""What cameras libcamera sees, and what each of them can do."""

from typing import Any

from imagemp.errors import SourceError

from .pi_errors import explained, import_picamera2, why_none
from .pi_settings import Picam


def list_cameras() -> list[dict[str, Any]]:
    """Give each camera with the modes of its sensor.

    Each is opened for a moment. One that somebody else has open is told without
    modes, and with the reason as its `problem`.

    Raises:
        SourceError: picamera2 is not there, or there is no camera.
    """
    picamera2 = import_picamera2()
    there = picamera2.Picamera2.global_camera_info()
    if not there:
        raise SourceError("there is no camera", why_none())
    return [
        {
            "number": number,
            "model": str(camera["Model"]),
            "id": str(camera["Id"]),
            **modes_or_problem(picamera2, number),
        }
        for number, camera in enumerate(there)
    ]


def modes_or_problem(picamera2: Any, number: int) -> dict[str, Any]:  # noqa: ANN401
    """Open a camera, and give its modes; or say why it cannot be opened."""
    try:
        with explained(f"camera {number}", 0):
            picam = picamera2.Picamera2(number)
        try:
            with explained(f"camera {number}", 0):
                return {"modes": modes(picam), "problem": ""}
        finally:
            picam.close()
    except SourceError as error:
        told = f"{error} ({error.hint})" if error.hint else str(error)
        return {"modes": [], "problem": told}


def modes(picam: Picam) -> list[dict[str, Any]]:
    """Give the sensor's modes, the largest first."""
    found = [
        {
            "width": int(mode["size"][0]),
            "height": int(mode["size"][1]),
            "bits": int(mode["bit_depth"]),
            "fps": round(float(mode["fps"]), 2),
        }
        for mode in picam.sensor_modes
        if "size" in mode
    ]
    return sorted(found, key=lambda m: (-m["width"] * m["height"], -m["fps"]))
