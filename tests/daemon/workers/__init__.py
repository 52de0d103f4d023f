"""Tests of daemon/workers."""
