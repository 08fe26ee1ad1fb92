"""What a service logs, for the tests that read it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from reflectgen.serve import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged."""
    written = io.StringIO()
    handlers = {name: logging.getLogger(name).handlers for name in logs.LOGGERS}
    logs.set_up(written)
    yield written
    for name, before in handlers.items():
        logging.getLogger(name).handlers = before
