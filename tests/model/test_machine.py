import json
from pathlib import Path

import pytest
import torch

from reflectgen.model import machine


def test_a_machine_is_told_with_what_makes_its_seconds() -> None:
    found = machine.describe()
    assert json.loads(json.dumps(found)) == found
    assert found["torch"] == torch.__version__ and found["threads"] == torch.get_num_threads()
    assert found["cpu"] and isinstance(found["cores"], int) and found["cores"] >= 1 and found["platform"]
    assert ("gpu" in found) == (torch.cuda.is_available() and torch.cuda.is_initialized())


def test_a_processor_has_its_name_or_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nprocessor\t: 1\nmodel name\t: Some CPU\n")
    monkeypatch.setattr(machine, "CPU_INFO", listed)
    assert machine.describe()["cpu"] == "Some CPU @ 2.00GHz"
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "none")
    assert machine.describe()["cpu"]
