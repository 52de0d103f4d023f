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


def test_the_drop_ins_of_the_manual_allow_what_they_say(service: Service) -> None:
    manual = (TREE / "docs/install.md").read_text("utf-8")
    drop_ins = re.findall(r"^ +(\[Service\]|[A-Z]\w+=.*)$", manual, re.MULTILINE)
    service.machine.run("mkdir", "--parents", "/mnt/usb", "/home/pi/lab")
    service.machine.run("chown", "imagemp:", "/mnt/usb")

    why = probe(service, "\n".join(drop_ins))

    more = {"write /mnt/usb", "read /home/pi/lab", "network", "write and run"}
    # With ProtectHome=tmpfs a home is there, and empty but for what was let in.
    homes = {"read /home", "read /root"}
    assert {name for name, refused in why.items() if not refused} - homes == (
        ALLOWED | more
    )
