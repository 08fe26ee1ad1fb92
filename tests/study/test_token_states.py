"""The states of all of a step's tokens, against those that a head reads."""

from pathlib import Path

import numpy as np
import pytest
import stored
import torch

from reflectgen.config import HeadOptions, RetrofitConfig, StudyConfig
from reflectgen.study.backbones import Backbone, open_backbone
from reflectgen.study.bench import Bench
from reflectgen.study.token_states import read_tokens
from reflectgen.study.variants import Variant


@pytest.fixture(scope="module")
def policy() -> Backbone:
    return open_backbone("tiny", head="none", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two stores with the same problems, but for the number of traces."""
    folder, model = tmp_path_factory.mktemp("stores"), stored.bundled()
    for name, samples in (("one", 2), ("two", 3)):
        stored.write(folder / name, *model, problems=4, samples=samples, shard=3)
    return folder / "one", folder / "two"


@pytest.mark.parametrize("offset", [-1, 0])
def test_the_last_token_of_a_step_is_what_a_head_reads(policy: Backbone, folders: tuple[Path, Path], offset: int) -> None:
    """Also where several stores have traces of one problem, and for a part of the problems."""
    config = RetrofitConfig(head=HeadOptions(step_rule="paper", grade_end=False), validation=0.5)
    row = Variant(section="", name="", config=config, stores=folders).changed("row", offset=offset)
    bench = Bench(config=StudyConfig(rollouts=folders), policy=policy, folder=Path())
    for part in (bench.parts(row).train, bench.parts(row).validation):
        found = read_tokens(bench, row, folders, part)
        last = found.starts[1:] - 1
        expected = torch.from_numpy(np.asarray(part.states[row.reading])).float()
        assert torch.allclose(found.states[last].float(), expected, atol=2e-2)
        logprobs = [found.logprob[low:high].mean() for low, high in zip(found.starts, found.starts[1:], strict=False)]
        assert torch.allclose(torch.stack(logprobs), torch.from_numpy(part.step_logprob).float(), atol=1e-5)


def test_a_backbone_says_what_there_is_to_vary(policy: Backbone) -> None:
    assert (policy.blocks, policy.width, policy.normed, policy.head) == (4, 128, True, None)
    assert policy.rules[0] == "paper" and "newline" in policy.rules
