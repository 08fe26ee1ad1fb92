import sys
import warnings

import pytest
from transformers.utils import logging

from reflectgen.model.quiet import quiet


def test_nothing_is_heard_inside_and_everything_is_put_back(capsys: pytest.CaptureFixture[str]) -> None:
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with quiet():
        logging.get_logger("transformers").warning("hear me")
        warnings.warn("hear me", stacklevel=1)
        print("hear me", file=sys.stderr)
        assert not logging.is_progress_bar_enabled()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (verbosity, bars)
    assert capsys.readouterr().err == ""


def test_an_error_passes() -> None:
    with pytest.raises(ValueError, match="through"), quiet():
        raise ValueError("through")
