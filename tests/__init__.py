"""Tests of imagemp; the folders mirror the tree."""
