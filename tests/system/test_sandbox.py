"""What imagemp.service may do, and what its drop-ins allow beside it."""

import json
import re
from pathlib import Path

import pytest

from .recipe import TREE
from .service import DATA, SMALL, Service

pytestmark = pytest.mark.system

SCALED = SMALL.replace("fps", "scale = 0.5\nfps")  # OpenCV must live in it too
PROBE = f"""
[[pipelines.cam0.callbacks]]
name = "probe"
target = "/srv/probe.py:Probe"
settings = {{ answer = "{DATA}/answer" }}
"""
DISK = '[daemon]\ndata_dir = "/mnt/usb"\n'
NOT_UNDERSTOOD = re.compile(r"(?i)imagemp\.service.*(unknown|failed to parse|ignoring)")
ALLOWED = {"write /var/lib", "netlink", "nice"}


def probe(service: Service, drop_in: str = "") -> dict[str, str]:
    """Give what a callback may do: how each attempt was refused, or nothing."""
    source = Path(__file__).with_name("probe.py").read_text("utf-8")
    service.machine.write("/srv/probe.py", source)
    service.start(SCALED + PROBE, drop_in)
    ran = service.imagectl("start", "--frames", "5", "--wait")
    assert ran.returncode == 0, ran.stderr
    text = service.machine.path(f"{DATA}/answer").read_text("utf-8")
    answer: dict[str, str] = json.loads(text)
    return answer


def test_the_unit_allows_recording_and_little_else(service: Service) -> None:
    why = probe(service)

    assert {attempt for attempt, refused in why.items() if not refused} == ALLOWED
    assert (why["write /etc"], why["network"]) == ("EROFS", "EAFNOSUPPORT")


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("10-disk", {"write /mnt/usb"}),
        # A home is there, and empty but for what was let in.
        ("20-home", {"read /home", "read /home/pi/lab"}),
        ("30-network", {"network"}),
        ("40-gpio", set[str]()),  # no pins here: systemd takes it, and what it says
    ],
)
def test_a_shipped_drop_in_allows_what_it_says_and_no_more(
    service: Service, name: str, more: set[str]
) -> None:
    machine = service.machine
    machine.run("mkdir", "--parents", "/mnt/usb", "/home/pi/lab")
    machine.run("chmod", "700", "/home/pi")
    machine.run("chown", "imagemp:", "/mnt/usb")
    machine.run("groupadd", "--system", "gpio")
    shipped = machine.path(f"/opt/imagemp/share/imagemp/{name}.conf")
    service.drop_in(f"{name}.conf", shipped.read_text("utf-8"))

    why = probe(service)

    assert {what for what, refused in why.items() if not refused} == ALLOWED | more
    assert NOT_UNDERSTOOD.search(machine.run("journalctl", "--boot")) is None
    if name == "40-gpio":
        assert "char-gpiochip rw" in service.show("DeviceAllow")
        assert service.show("SupplementaryGroups") == "gpio"


def test_the_drop_in_of_the_manual_lets_compilers_in(service: Service) -> None:
    manual = (TREE / "docs/install.md").read_text("utf-8")
    (line,) = re.findall(r"^ +(MemoryDeny\w+=.*)$", manual, re.MULTILINE)

    why = probe(service, f"[Service]\n{line}\n")

    assert {what for what, refused in why.items() if not refused} == (
        ALLOWED | {"write and run"}
    )


def test_config_check_names_the_drop_in_where_the_service_is(service: Service) -> None:
    service.start(SMALL)
    service.machine.write("/etc/imagemp/usb.toml", DISK + SMALL)

    told = service.imagectl("config", "check", "/etc/imagemp/usb.toml", user="root")

    assert "the drop-in 10-disk" in told.stdout
    assert "/opt/imagemp/share/imagemp/10-disk.conf" in told.stdout
