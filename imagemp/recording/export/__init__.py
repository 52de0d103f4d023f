"""Recorded frames for people and programs of others."""
