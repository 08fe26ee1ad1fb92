"""What holds for the package as a whole: its public names, what importing it costs, its version."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

import reflectgen

ROOT = Path(__file__).parent.parent
LIGHT = ("reflectgen", "reflectgen.load", "reflectgen.search", "reflectgen.tasks", "reflectgen.cli")


@pytest.mark.parametrize("module", LIGHT)
def test_importing_it_imports_no_torch(module: str) -> None:
    probe = f"import sys, {module}; print([name for name in ('torch', 'transformers', 'sympy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_lists_the_public_names_and_each_can_be_imported() -> None:
    assert reflectgen.__all__ == sorted(set(reflectgen.__all__))
    assert dir(reflectgen) == reflectgen.__all__
    for name in reflectgen.__all__:
        assert getattr(reflectgen, name) is not None
    helpers = {"Any", "TYPE_CHECKING", "annotations", "import_module"}
    here = {name for name, value in vars(reflectgen).items() if not name.startswith("_") and not isinstance(value, ModuleType)}
    assert here - helpers == set(reflectgen.__all__) - {"__version__"}


def test_load_is_the_function_whatever_was_imported_first() -> None:
    probe = "from reflectgen.load import load; import reflectgen; assert reflectgen.load is load"
    subprocess.run([sys.executable, "-c", probe], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = reflectgen.lode


def test_version_is_the_newest_of_the_changelog_and_the_one_installed() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == reflectgen.__version__ == version("reflectgen")
