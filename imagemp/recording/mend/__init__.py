"""What a crash or a bad disk left: looked through, repaired, verified."""
