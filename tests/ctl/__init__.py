"""imagectl against a daemon played by the test."""
