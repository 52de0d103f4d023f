"""What all tests share: how hypothesis searches, and what their processes inherit."""

import os
import signal

from hypothesis import HealthCheck, settings

# A busy machine is no fault of what is tested, and found faults become plain tests.
settings.register_profile(
    "imagemp",
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("imagemp")

# OpenBLAS starts a thread for each further core, which spins for 60 ms of CPU time in
# every process that imports numpy; the tests start hundreds, and none multiplies.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A script that runs us with `&` has us ignore Ctrl-C, and what we start would as well.
signal.signal(signal.SIGINT, signal.default_int_handler)
