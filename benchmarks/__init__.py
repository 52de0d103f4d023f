"""Ratios against the limits and the peers: `python -m benchmarks`."""
