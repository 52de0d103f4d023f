"""Tests of the daemon; the folders mirror the tree."""
