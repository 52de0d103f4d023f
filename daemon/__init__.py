"""imagempd: the daemon."""
