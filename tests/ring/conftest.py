"""Rings that are closed when the test is over."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from .rig import Rig


@pytest.fixture
def make_ring() -> Iterator[Callable[..., Rig]]:
    """Give what makes a `Rig`; takes its arguments."""
    with ExitStack() as stack:

        def make(*args: Any, **kwargs: Any) -> Rig:  # noqa: ANN401 - Rig's own
            return stack.enter_context(closing(Rig(*args, **kwargs)))

        yield make
