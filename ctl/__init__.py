"""imagectl: the client."""
