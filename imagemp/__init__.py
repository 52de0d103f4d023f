"""imagemp."""
