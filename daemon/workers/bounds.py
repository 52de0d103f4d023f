"""What the gateway may cost the machine, whatever its clients do.

libzmq aborts its process when it runs out of descriptors, and takes all the memory
that an endless multipart message asks for.
"""

import resource
from pathlib import Path

import zmq

from imagemp.messages import MAX_MESSAGE

HIGH_WATER = 64
MAX_FILES = 4096
# libzmq hands over a message when it is whole. Until then no option bounds it:
# MAXMSGSIZE is of a frame, RCVHWM of messages. So this alone ends an endless one, and
# the gateway with it. A connection takes 65 KiB, 23 of them touched: 2,400 fit.
MEMORY_TO_GROW = 160 << 20


def bounded(sock: "zmq.Socket[bytes]") -> "zmq.Socket[bytes]":
    """Set what a socket may cost us, and how soon it notices a dead peer."""
    sock.linger = 0
    sock.set(zmq.MAXMSGSIZE, MAX_MESSAGE)  # of each frame
    sock.set(zmq.HANDSHAKE_IVL, 2000)
    sock.set(zmq.HEARTBEAT_IVL, 5000)
    sock.set(zmq.HEARTBEAT_TIMEOUT, 15000)
    sock.set(zmq.SNDHWM, HIGH_WATER)
    sock.set(zmq.RCVHWM, HIGH_WATER)
    return sock


def raise_file_limit() -> None:
    """Allow as many descriptors as the system lets us, up to `MAX_FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_FILES if hard == resource.RLIM_INFINITY else min(MAX_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def limit_memory() -> None:
    """Die rather than fill the machine: a multipart message has no end."""
    status = Path("/proc/self/status").read_text()
    used = int(status.partition("VmData:")[2].split()[0]) << 10
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = used + MEMORY_TO_GROW
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
