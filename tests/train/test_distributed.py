"""Two ranks are one: the same updates, under DDP and under FSDP, also where one rank has nothing to grade."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import reinforced_ranks
import torch

pytestmark = pytest.mark.timeout(600)  # two processes, or whole runs, on a machine that may be busy
SCRIPT = Path(reinforced_ranks.__file__)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What two ranks made of every scenario."""
    folder = tmp_path_factory.mktemp("ranks")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(SCRIPT), str(folder)]
    done = subprocess.run(launch, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: torch.load(folder / f"{name}.pt", weights_only=True) for name in reinforced_ranks.SCENARIOS}


def alone(name: str, folder: Path) -> dict[str, Any]:
    """The same scenario in this process."""
    return reinforced_ranks.ALONE[name](folder, 1)


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["plain", "group", "silent"])
def test_two_data_parallel_ranks_equal_one(name: str, two: dict[str, Any], tmp_path: Path) -> None:
    found, expected = two[name], alone(name, tmp_path)
    assert found["kind"] == "DistributedType.MULTI_CPU"
    same(found["weights"], expected["weights"])
    for line, other in zip(found["history"], expected["history"], strict=True):
        assert (line["ranks"], other["ranks"]) == (2, 1)
        for figure in ("reward", "grad_norm", "head_grad_norm", "spr", "spr_all", "kept_right", "kept_wrong", "gap", "auc"):
            assert line.get(figure) == pytest.approx(other.get(figure), abs=1e-5, rel=1e-5), figure


def test_a_rank_without_any_step_keeps_the_others_going(two: dict[str, Any]) -> None:
    (line,) = two["silent"]["history"]
    assert line["spr"] > 0
    assert line["head_grad_norm"] > 0


def test_two_sharded_ranks_equal_one(two: dict[str, Any], tmp_path: Path) -> None:
    found, expected = two["sharded"], alone("sharded", tmp_path)
    assert (found["ranks"], found["sharded"]) == (2, True)
    assert (expected["ranks"], expected["sharded"]) == (1, False)
    assert found["norms"] == pytest.approx(expected["norms"], abs=1e-5)
    same(found["weights"], expected["weights"])
