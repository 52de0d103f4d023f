"""The daemon under a real systemd: a Debian root, booted by systemd-nspawn."""
