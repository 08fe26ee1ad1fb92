"""What all tests share: one thread, repeatable hypothesis examples, and the folder of real models."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported, so it is set before anything else

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, print_blob=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def real_models() -> Path:
    """The folder that holds the real language models, one transformers folder each."""
    folder = os.environ.get("REFLECTGEN_REAL_MODELS", "")
    if not folder or not Path(folder).is_dir():
        pytest.fail("Set REFLECTGEN_REAL_MODELS to the folder of the real models, or leave out `-m real`.", pytrace=False)
    return Path(folder)
