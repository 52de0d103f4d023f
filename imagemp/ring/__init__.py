"""The ring: fixed slots in shared memory, one producer, many readers."""
