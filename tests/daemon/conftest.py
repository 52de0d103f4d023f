"""What the tests of the supervisor's parts share."""

from .keeper import rig

__all__ = ["rig"]
