"""What a session leaves on disk, read back by us and by others."""
