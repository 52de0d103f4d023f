"""Print what the daemon publishes: `python examples/subscribe.py metrics. event.`.

Topics are prefixes; without any, everything is printed. It goes on when the daemon
restarts.
"""

import sys

from imagemp import Telemetry

with Telemetry(sys.argv[1:] or [""]) as telemetry:
    for topic, body in telemetry:
        print(topic, body)  # noqa: T201 - that is its job
