"""One question to the daemon with nothing but zmq and json.

`imagemp.client` costs 26 ms more to import, a third of `imagectl status`; on a
Pi that is a tenth of a second. This knows the one case where all is well, and
leaves every other to the client, which tells what is wrong.
"""

import json
import os
from pathlib import Path
from typing import Any

from imagemp import paths

MAGIC, VERSION = b"IMP1", 1  # as in imagemp.messages, which imports msgspec
ANSWER_MS = 500  # after this the client asks again, and waits longer


def ask_quickly(method: str, runtime_dir: Path | None) -> dict[str, Any] | None:
    """Give the daemon's result; None if anything is in the way.

    Only for methods that may be asked twice and take no parameters.
    """
    path = paths.control_socket(paths.runtime_dir(runtime_dir))
    return _asked(method, path) if os.access(path, os.W_OK) else None


def _asked(method: str, path: Path) -> dict[str, Any] | None:
    import zmq

    request = {"v": VERSION, "id": "c1", "method": method, "deadline_ms": ANSWER_MS}
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(f"ipc://{path}")
        dealer.send_multipart([MAGIC, json.dumps(request).encode()])
        if not dealer.poll(ANSWER_MS):
            return None
        reply = json.loads(dealer.recv_multipart()[-1])
    is_well = reply.get("ok") and reply.get("v") == VERSION
    result: dict[str, Any] | None = reply.get("result") if is_well else None
    return result
