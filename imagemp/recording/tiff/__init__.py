"""Pages of a BigTIFF: what stands in them, written and read."""
