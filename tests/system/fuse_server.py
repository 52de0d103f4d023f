"""A FUSE file system that does as it is told, faults and all.

    python -m tests.system.fuse_server PLACE BEHIND

It speaks the kernel's protocol itself (linux/fuse.h, 7.31), so that no library stands
between a fault and the program that must bear it. One process serves all: as with a
real disk that stalls, everybody waits. Orders come by its standard input, and it ends
with that. Needs root.
"""

import contextlib
import ctypes
import errno
import os
import select
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2
MAX_WRITE = 1 << 17
BIG_WRITES = 1 << 5
SET_SIZE = 1 << 3  # in the mask of SETATTR
HEADER = struct.Struct("<IIQQIIII")  # length, opcode, unique, node, uid, gid, pid, -
REPLY = struct.Struct("<IiQ")
ATTR = struct.Struct("<6Q10I")
INIT = struct.Struct("<IIIIHHIIHHI28x")
Body = memoryview


class Op(IntEnum):
    """What the kernel may ask for; anything else is not implemented."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    BATCH_FORGET = 42
    FALLOCATE = 43
    RENAME2 = 45
    TMPFILE = 51


KNOWN = frozenset(int(op) for op in Op)


class Server:
    """Answers the kernel; what is on the disk lies in `behind`."""

    def __init__(self, place: Path, behind: Path) -> None:
        self._place, self._behind = place, behind
        self._paths = {1: behind}
        self._faults: dict[int, int] = {}
        self._is_stalled, self._is_wedged, self._delay_s = False, False, 0.0
        self._kept: list[bytes] = []  # requests that were read, and not answered
        self._fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._fuse},rootmode=40000,user_id=0,group_id=0"
        kind, where = b"fuse.faulty", bytes(place)
        if LIBC.mount(b"faulty", where, kind, 0, options.encode()):
            raise OSError(ctypes.get_errno(), "mount")

    def serve(self) -> None:
        """Obey and answer until nobody gives orders any more."""
        say("mounted")
        try:
            while True:
                files = [0] if self._is_stalled else [0, self._fuse]
                ready, _, _ = select.select(files, [], [])
                if 0 in ready:
                    order = os.read(0, 4096).decode().split()
                    if not order:
                        return
                    self._obey(*order)
                elif self._fuse in ready:
                    self._take(os.read(self._fuse, MAX_WRITE + 4096))
        finally:
            LIBC.umount2(bytes(self._place), MNT_DETACH)

    def _obey(self, order: str, *words: str) -> None:
        numbers = [int(word) for word in words]
        if order == "break":
            self._faults |= dict.fromkeys(numbers[1:], numbers[0])
        elif order == "repair":
            self._faults.clear()
        elif order == "slow":
            self._delay_s = numbers[0] / 1000
        else:
            self._is_stalled, self._is_wedged = order == "stall", order == "wedge"
            while self._kept and order == "go_on":
                self._reply(self._kept.pop(0))
        say("done")

    def _take(self, request: bytes) -> None:
        """Answer; or, wedged, keep it: not even SIGKILL ends who waits for that."""
        if self._is_wedged:
            self._kept.append(request)
        else:
            self._reply(request)

    def _reply(self, request: bytes) -> None:
        _, op, unique, node, *_ = HEADER.unpack_from(request)
        if op in (Op.FORGET, Op.BATCH_FORGET):
            return
        try:
            body = self._answer(op, node, memoryview(request)[HEADER.size :])
            head = REPLY.pack(REPLY.size + len(body), 0, unique)
        except OSError as error:
            head, body = REPLY.pack(REPLY.size, -(error.errno or 5), unique), b""
        with contextlib.suppress(OSError):  # who asked is gone
            os.write(self._fuse, head + body)

    def _answer(self, op: int, node: int, body: Body) -> bytes:
        if op not in KNOWN:
            raise OSError(errno.ENOSYS, "")
        if error := self._faults.get(op):
            raise OSError(error, "")
        handler: Callable[[int, Body], bytes]
        handler = getattr(self, f"_{Op(op).name.lower()}")
        return handler(node, body)

    # -- names

    def _init(self, _node: int, _body: Body) -> bytes:
        return INIT.pack(7, 31, 65536, BIG_WRITES, 12, 10, MAX_WRITE, 1, 0, 0, 0)

    def _lookup(self, node: int, body: Body) -> bytes:
        return self._entry(self._paths[node] / _name(body))

    def _mkdir(self, node: int, body: Body) -> bytes:
        path = self._paths[node] / _name(body[8:])
        path.mkdir()
        return self._entry(path)

    def _create(self, node: int, body: Body) -> bytes:
        flags, mode, _, _ = struct.unpack_from("<4I", body)
        path = self._paths[node] / _name(body[16:])
        fd = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, mode)
        return self._entry(path) + struct.pack("<QII", fd, 0, 0)

    def _tmpfile(self, _node: int, body: Body) -> bytes:
        (mode,) = struct.unpack_from("<I", body, 4)
        fd, name = tempfile.mkstemp(dir=self._behind)  # it is left there
        os.fchmod(fd, mode & 0o777)
        return self._entry(Path(name)) + struct.pack("<QII", fd, 0, 0)

    def _unlink(self, node: int, body: Body) -> bytes:
        (self._paths[node] / _name(body)).unlink()
        return b""

    def _rmdir(self, node: int, body: Body) -> bytes:
        (self._paths[node] / _name(body)).rmdir()
        return b""

    def _rename(self, node: int, body: Body) -> bytes:
        return self._move(node, body, 8)

    def _rename2(self, node: int, body: Body) -> bytes:
        return self._move(node, body, 16)

    def _move(self, node: int, body: Body, names_at: int) -> bytes:
        (target,) = struct.unpack_from("<Q", body)
        old, new, _ = bytes(body[names_at:]).split(b"\0")
        source = self._paths[node] / os.fsdecode(old)
        found = source.rename(self._paths[target] / os.fsdecode(new))
        self._paths[found.stat().st_ino] = found
        return b""

    def _entry(self, path: Path) -> bytes:
        attr, node = self._attr(path.lstat())
        self._paths[node] = path
        return struct.pack("<4QII", node, 0, 0, 0, 0, 0) + attr

    # -- what is in them

    def _getattr(self, node: int, _body: Body) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + self._attr(self._paths[node].lstat())[0]

    def _setattr(self, node: int, body: Body) -> bytes:
        mask, _, _, size = struct.unpack_from("<IIQQ", body)
        if mask & SET_SIZE:
            os.truncate(self._paths[node], size)
        return self._getattr(node, body)

    def _attr(self, found: os.stat_result) -> tuple[bytes, int]:
        stamps = (found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)
        seconds, rest = zip(*(divmod(ns, 10**9) for ns in stamps), strict=True)
        attr = ATTR.pack(
            *(found.st_ino, found.st_size, found.st_blocks, *seconds, *rest),
            *(found.st_mode, found.st_nlink, found.st_uid, found.st_gid, 0, 4096, 0),
        )
        return attr, found.st_ino

    def _open(self, node: int, body: Body) -> bytes:
        (flags,) = struct.unpack_from("<I", body)
        fd = os.open(self._paths[node], flags & ~os.O_NOFOLLOW | os.O_CLOEXEC)
        return struct.pack("<QII", fd, 0, 0)

    _opendir = _open

    def _read(self, _node: int, body: Body) -> bytes:
        fd, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(fd, size, offset)

    def _write(self, _node: int, body: Body) -> bytes:
        time.sleep(self._delay_s)
        fd, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<II", os.pwrite(fd, body[40 : 40 + size], offset), 0)

    def _fallocate(self, _node: int, body: Body) -> bytes:
        os.posix_fallocate(*struct.unpack_from("<3Q", body))
        return b""

    def _fsync(self, _node: int, body: Body) -> bytes:
        os.fsync(struct.unpack_from("<Q", body)[0])
        return b""

    _fsyncdir = _fsync

    def _flush(self, _node: int, _body: Body) -> bytes:
        return b""

    def _release(self, _node: int, body: Body) -> bytes:
        os.close(struct.unpack_from("<Q", body)[0])
        return b""

    _releasedir = _release

    def _readdir(self, _node: int, body: Body) -> bytes:
        fd, offset, size = struct.unpack_from("<QQI", body)
        told, names = b"", os.listdir(fd)  # noqa: PTH208 - it is a descriptor
        for number, name in enumerate(sorted(names), start=1):
            raw = os.fsencode(name)
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            kind = stat.S_IFMT(found.st_mode) >> 12
            one = struct.pack("<QQII", found.st_ino, number, len(raw), kind) + raw
            one += bytes(-len(one) % 8)
            if number > offset and len(told) + len(one) <= size:
                told += one
        return told

    def _statfs(self, _node: int, _body: Body) -> bytes:
        disk = os.statvfs(self._behind)
        blocks = (disk.f_blocks, disk.f_bfree, disk.f_bavail, disk.f_files)
        sizes = (disk.f_bsize, 255, disk.f_frsize)
        return struct.pack("<5Q3I28x", *blocks, disk.f_ffree, *sizes)


def _name(body: Body) -> str:
    return os.fsdecode(bytes(body).partition(b"\0")[0])


def say(word: str) -> None:
    """Tell whoever gives the orders."""
    os.write(1, f"{word}\n".encode())


if __name__ == "__main__":
    Server(Path(sys.argv[1]), Path(sys.argv[2])).serve()
