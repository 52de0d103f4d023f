"""What is well on a machine and what is not: readings in, findings out. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imagemp.config import format_size

OK, WARNING, BAD = "ok", "warning", "bad"
CAMERA_GROUPS = ("video", "render")
DAEMON_GROUP = "imagemp"
MIN_CMA = 128 << 20  # four raw frames of 12 MP, 16 bits a pixel, are 99 MB
FEW_FREE, HARDLY_FREE = 2 << 30, 200 << 20
SLOW_MB_S = 20.0  # 640x480 grey at 60 a second
MIN_FILES = 4096  # what the gateway wants
NOW = {
    0: "the supply voltage is too low",
    1: "the clock is capped",
    2: "it is throttled",
    3: "it is near its temperature limit",
}
SUPPLY_BITS = 1 << 0 | 1 << 16
PAST = 16  # the same bits, since boot


@dataclass(frozen=True)
class Finding:
    """What one check has to say.

    Attributes:
        level: `ok`, `warning` or `bad`.
        advice: What to do about it; empty if it is well.
    """

    check: str
    level: str
    told: str
    advice: str = ""


@dataclass(frozen=True)
class Readings:
    """What was found on the machine; None: it does not tell.

    Attributes:
        user: Whose groups these are: the daemon's user, or who asks.
        groups: The groups of `user`.
        known_groups: Those of interest that the machine has.
        asker_groups: The groups of who asks; None for root, who needs none.
        nodes: /dev/video*, /dev/media*.
        cma: Bytes set aside for cameras; 0 where the kernel has none.
        data_dir: Where recordings go.
        free: Bytes free there.
        mb_s: How fast it was written and synchronised.
        untried: Why it was not tried how fast that is.
        is_synchronised: Whether something keeps the wall clock right.
        files: The hard limit of open files.
        client, daemon: Versions.
        absent: Why no daemon answers.
        absent_hint: What the client says is to be done about it.
        throttled: A Pi's flags.
    """

    user: str = ""
    groups: frozenset[str] = frozenset()
    known_groups: frozenset[str] = frozenset()
    asker_groups: frozenset[str] | None = None
    nodes: tuple[str, ...] = ()
    cma: int | None = None
    data_dir: str = ""
    free: int | None = None
    mb_s: float | None = None
    untried: str = ""
    is_synchronised: bool | None = None
    files: int | None = None
    client: str = ""
    daemon: str | None = None
    absent: str = ""
    absent_hint: str = ""
    throttled: int | None = None


def findings(found: Readings) -> list[Finding]:
    """Judge everything."""
    checks = (daemon, versions, groups, cameras, cma, space, speed, clock, limits, heat)
    return [finding for check in checks for finding in check(found)]


def daemon(found: Readings) -> Iterator[Finding]:
    """Whether a daemon answers."""
    if found.daemon is not None:
        yield Finding("daemon", OK, "it answers")
    else:
        told = found.absent or "no answer"
        advice = found.absent_hint or "systemctl status imagemp"
        yield Finding("daemon", WARNING, told, advice)


def versions(found: Readings) -> Iterator[Finding]:
    """Whether client and daemon are of one version."""
    if found.daemon in (None, found.client):
        yield Finding("versions", OK, f"imagemp {found.client}")
    else:
        told = f"imagectl is {found.client}, the daemon {found.daemon}"
        advice = "systemctl restart imagemp, so that the daemon is the installed one"
        yield Finding("versions", BAD, told, advice)


def groups(found: Readings) -> Iterator[Finding]:
    """Whether cameras and sockets are open to those who need them."""
    needed = [name for name in CAMERA_GROUPS if name in found.known_groups]
    missing = [name for name in needed if name not in found.groups]
    if missing and found.user != "root":
        told = f"{found.user} is not in {', '.join(missing)}: cameras are closed to it"
        advice = f"sudo usermod -aG {','.join(missing)} {found.user}, then restart"
        yield Finding("groups", BAD, told, advice)
    elif needed:
        yield Finding("groups", OK, f"{found.user} may use cameras")
    is_stranger = found.asker_groups is not None and (
        DAEMON_GROUP in found.known_groups - found.asker_groups
    )
    if is_stranger:
        told = f"you are not in {DAEMON_GROUP}: the daemon takes no orders from you"
        advice = f"sudo usermod -aG {DAEMON_GROUP} $USER, then log in again"
        yield Finding("groups", WARNING, told, advice)


def cameras(found: Readings) -> Iterator[Finding]:
    """Whether the kernel knows of any camera."""
    if found.nodes:
        yield Finding("cameras", OK, f"{len(found.nodes)} nodes: {_some(found.nodes)}")
    else:
        told = "no /dev/video* and no /dev/media*: the kernel knows no camera"
        advice = "check cable and connector; dmesg | grep -i -e unicam -e uvc"
        yield Finding("cameras", WARNING, told, advice)


def cma(found: Readings) -> Iterator[Finding]:
    """Whether there is memory that cameras can use."""
    if found.cma:
        level = OK if found.cma >= MIN_CMA else WARNING
        advice = "dtoverlay=vc4-kms-v3d,cma-256 in /boot/firmware/config.txt, reboot"
        told = f"{format_size(found.cma)} of contiguous memory"
        yield Finding("cma", level, told, "" if level == OK else advice)


def space(found: Readings) -> Iterator[Finding]:
    """Whether there is room for recordings."""
    if found.free is None:
        return
    level = WARNING if found.free < FEW_FREE else OK
    level = BAD if found.free < HARDLY_FREE else level
    told = f"{format_size(found.free)} free in {found.data_dir}"
    advice = "imagectl recordings shows what is there; or set daemon.data_dir"
    yield Finding("disk space", level, told, "" if level == OK else advice)


def speed(found: Readings) -> Iterator[Finding]:
    """Whether the disk keeps up with a camera."""
    if found.mb_s is None:
        yield Finding("disk speed", OK, f"not tried: {found.untried or 'no reason'}")
        return
    level = OK if found.mb_s >= SLOW_MB_S else WARNING
    told = f"{found.mb_s:.0f} MB/s written and synchronised in {found.data_dir}"
    advice = "a faster card or a USB disk; or fewer, smaller or compressed frames"
    yield Finding("disk speed", level, told, "" if level == OK else advice)


def clock(found: Readings) -> Iterator[Finding]:
    """Whether names of recordings and `--at` can be trusted."""
    if found.is_synchronised:
        yield Finding("clock", OK, "synchronised")
    else:
        told = "the system clock is not synchronised: recordings may bear a wrong time"
        yield Finding("clock", WARNING, told, "see timedatectl; connect to a network")


def limits(found: Readings) -> Iterator[Finding]:
    """Whether there may be enough descriptors."""
    if found.files is None:
        return
    level = OK if found.files >= MIN_FILES else WARNING
    told = f"{found.files} open files at most"
    advice = f"LimitNOFILE={MIN_FILES} by systemctl edit imagemp, or ulimit -Hn"
    yield Finding("limits", level, told, "" if level == OK else advice)


def heat(found: Readings) -> Iterator[Finding]:
    """Whether a Pi runs at full speed, and has since it was started."""
    flags = found.throttled
    if flags is None:
        return
    now = [meaning for bit, meaning in NOW.items() if flags >> bit & 1]
    before = [meaning for bit, meaning in NOW.items() if flags >> (bit + PAST) & 1]
    advice = (
        "use the official supply and a short cable"
        if flags & SUPPLY_BITS
        else "give it a heat sink or a fan"
    )
    if now:
        yield Finding("throttling", BAD, "; ".join(now), advice)
    elif before:
        told = f"well now; since boot: {'; '.join(before)}"
        yield Finding("throttling", WARNING, told, advice)
    else:
        yield Finding("throttling", OK, "none since boot")


def is_well(found: Iterable[Finding]) -> bool:
    """Tell whether nothing is bad."""
    return all(finding.level != BAD for finding in found)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
