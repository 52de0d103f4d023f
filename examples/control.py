"""Give the daemon an order: take 30 frames in every pipeline, and say what came of it.

The daemon must run, and no session be on: `python examples/control.py`.
"""

from imagemp import Control

with Control() as control:
    order = {"frames": 30, "wait": "done"}
    for session in control.call("session.start", order, timeout_s=60)["sessions"]:
        counts = session["counts"]
        print(session["dir"], counts["captured"], counts["dropped"])  # noqa: T201
