"""Rings that are closed when the test is over."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from hypothesis import settings

from .rig import Rig

# a busy machine is no fault of the ring, and found faults become plain tests
settings.register_profile("ring", deadline=None, database=None)
settings.load_profile("ring")


@pytest.fixture
def make_ring() -> Iterator[Callable[..., Rig]]:
    """Give what makes a `Rig`; takes its arguments."""
    with ExitStack() as stack:

        def make(*args: Any, **kwargs: Any) -> Rig:  # noqa: ANN401 - Rig's own
            return stack.enter_context(closing(Rig(*args, **kwargs)))

        yield make
