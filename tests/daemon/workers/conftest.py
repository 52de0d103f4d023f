"""What the tests of the workers share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .fake_supervisor import FakeSupervisor
from .raw_client import RawClient


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[FakeSupervisor]:
    """A supervisor with a gateway that serves."""
    with FakeSupervisor(tmp_path) as playing:
        yield playing


@pytest.fixture
def client(supervisor: FakeSupervisor) -> Iterator[RawClient]:
    """A client of that gateway."""
    client = RawClient(supervisor.control_path)
    yield client
    client.close()
