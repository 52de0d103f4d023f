"""The processes that do the work; `python -m imagemp.daemon.workers KIND FD`."""
