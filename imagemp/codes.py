"""The codes of errors, as replies bear them.

Part of the wire: docs/protocol.md explains each.
"""

E_FRAME = "E_FRAME"
E_JSON = "E_JSON"
E_VERSION = "E_VERSION"
E_METHOD = "E_METHOD"
E_PARAMS = "E_PARAMS"
E_TOO_LARGE = "E_TOO_LARGE"
E_PERM = "E_PERM"
E_BUSY = "E_BUSY"
E_ALREADY_RUNNING = "E_ALREADY_RUNNING"
E_NOT_RUNNING = "E_NOT_RUNNING"
E_CONFIG = "E_CONFIG"
E_CAMERA = "E_CAMERA"
E_CAMERA_WEDGED = "E_CAMERA_WEDGED"
E_CLOCK = "E_CLOCK"
E_DISK = "E_DISK"
E_TIMEOUT = "E_TIMEOUT"
E_RATE = "E_RATE"
E_SHUTTING_DOWN = "E_SHUTTING_DOWN"
E_INTERNAL = "E_INTERNAL"

CODES = {
    E_FRAME: "the message is not the two frames IMP1 and JSON",
    E_JSON: "the second frame is not one JSON object",
    E_VERSION: "client and daemon speak different versions",
    E_METHOD: "no such method",
    E_PARAMS: "a parameter is unknown, missing or has an impossible value",
    E_TOO_LARGE: "the request is larger than 64 KiB",
    E_PERM: "you may not do this",
    E_BUSY: "too many requests wait, or the daemon has no time",
    E_ALREADY_RUNNING: "the pipeline has a session already",
    E_NOT_RUNNING: "the pipeline has no session",
    E_CONFIG: "the configuration cannot be used",
    E_CAMERA: "the source cannot be opened, or failed",
    E_CAMERA_WEDGED: "the camera's process cannot be killed: reboot",
    E_CLOCK: "the system clock is not synchronised",
    E_DISK: "the recording cannot be written",
    E_TIMEOUT: "not done within the deadline; it may be done later",
    E_RATE: "too many requests a second",
    E_SHUTTING_DOWN: "the daemon is about to exit",
    E_INTERNAL: "a bug; the message names the line of the log",
}
