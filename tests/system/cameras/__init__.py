"""Real picamera2 on real libcamera, which runs cameras that are not there."""
