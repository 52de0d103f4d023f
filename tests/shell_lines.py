"""The lines of README and docs that are no `imagectl`, and where each is run.

The test of the service runs `SERVICE` as they stand, as root, on a machine of its own;
of `ELSEWHERE` each names a file and what in it does the same, or why only a person can.
"""

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    *(
        f"docs/{name}.md"
        for name in ("how-to", "tutorial", "imagectl", "install", "callbacks")
    ),
)
PROGRAMS = (
    *("sudo", "make", "git", "systemctl", "journalctl", "ssh", "scp", "exit"),
    *("cat", "timedatectl", "python", "pip", "cd", r"\."),
)
_LINE = re.compile(rf"^    (?:\$ )?((?:{'|'.join(PROGRAMS)})(?: .*)?)$", re.M)

# In the order in which they are run.
SERVICE = (
    "sudo systemctl enable --now imagemp",
    "sudo usermod -aG imagemp $USER",
    "sudo mkdir /srv/lab && sudo cp motion.py /srv/lab/",
    "sudo systemctl kill -s USR1 --kill-whom=main imagemp",
    "journalctl -u imagemp -p warning -b",
    'journalctl -u imagemp -b | grep "pipeline=cam0 "',
    "cd /etc/systemd/system",
    "sudo install -Dm644 -t imagemp.service.d /opt/imagemp/share/imagemp/10-disk.conf",
    "sudo systemctl daemon-reload && sudo systemctl restart imagemp",
)
INSTALL = "tests/system/test_install.py"
PERSON = "by hand: "
ELSEWHERE = {
    "make demo": ".ci/run::imagemp.demo",
    "make test": ".ci/run::make test",
    ". .venv/bin/activate; imagempd --config my.toml &": (
        "imagemp/private.py::--config"
    ),
    "python examples/subscribe.py callback.": "tests/test_examples.py::subscribe.py",
    "sudo make install": f"{INSTALL}::test_what_was_installed_starts_and_answers",
    "sudo make uninstall": f"{INSTALL}::test_uninstalling_leaves_recordings",
    "journalctl -u imagemp -f": f"{PERSON}it goes on",
    "ssh pi@cam.local": f"{PERSON}a Pi",
    "scp -r pi@cam.local:/var/lib/imagemp/cam0/SESSION .": f"{PERSON}a Pi",
    "exit": f"{PERSON}a Pi",
    "cat /etc/os-release; uname -m": f"{PERSON}a Pi",
    "timedatectl": f"{PERSON}a Pi",
    "sudo reboot": f"{INSTALL}::test_with_autostart_it_records_after_the_next_boot",
    "sudo apt update && sudo apt install --no-install-recommends make git "
    "python3-picamera2": f"{PERSON}a Pi",
    "sudo apt install make git": f"{PERSON}the network",
    "git clone REPOSITORY imagemp && cd imagemp": f"{PERSON}the network",
    "sudo /opt/imagemp/bin/pip install scikit-image": f"{PERSON}the network",
    "sudo nano imagemp.service.d/10-disk.conf": f"{PERSON}an editor",
    "sudo rm -r /var/lib/imagemp /etc/imagemp /etc/systemd/system/imagemp.service.d": (
        f"{PERSON}it takes the recordings with it"
    ),
    "sudo userdel imagemp": f"{PERSON}it is for good",
}


def given(pages: Iterable[str] = PAGES) -> set[str]:
    """Give the lines that stand in the pages, without what is said about them."""
    text = "\n".join((ROOT / page).read_text() for page in pages)
    return {re.split(r" +# ", line)[0].strip() for line in _LINE.findall(text)}
