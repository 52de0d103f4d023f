"""What a session leaves on disk."""
