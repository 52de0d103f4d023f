"""Frames in Matroska and MP4: written, found, decoded."""
