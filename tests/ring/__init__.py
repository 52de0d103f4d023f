"""Tests of imagemp.ring, as its adversary."""
