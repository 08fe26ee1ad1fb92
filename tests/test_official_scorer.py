"""`reflectgen score` on a checkpoint in the authors' layout, beside a plain re-statement of the authors' scorer.

The re-statement (METHOD: arXiv 2507.01951 and its released code) is one full pass with `output_hidden_states`, masks over
the ids, and a head built from the file's four tensors; it shares no code with the package.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast, Qwen2Config
from typer.testing import CliRunner

from reflectgen.cli import app
from reflectgen.load import load

WIDTH = 64
TEXTS = {
    "english": "Q: 2+2?<think>First, two.\n\nThen two more.\n\nSo it is four.\n\n</think>It is 4.\n\nDone.\n\n",
    "leading": "<think>.\n\nFirst.\n\nSecond.\n\n</think>",
    "leading run": "<think>.\n\n.\n\nFirst.\n\nSecond.\n\n</think>",
    "consecutive": "<think>One.\n\n.\n\n.\n\nTwo.\n\n</think>4",
    "missing": "<think>no step at all</think>4",
    "no tags": "One.\n\nTwo.\n\nThree",
    "unclosed": "Q<think>One.\n\nTwo (2).\n\nThree.\n\nand so",
    "opened twice": "<think>a.\n\n<think>b.\n\nc.\n\n</think>d.\n\n",
    "closed twice": "<think>a b.\n\nb c.\n\n</think>c d.\n\n</think>e f.\n\n",
    "chinese": "问题<think>首先二加二。\n\n然后得到四。所以答案是四。\n\n</think>答案是4。",
    "chinese run": "<think>。\n一。。\n\n二\n三。</think>",
    "chinese unclosed": "<think>先算一步。\n再算一步。",
    "code": "<think>if a < 3:\n    b()\n\n\n\nDone.\n\n</think>x < 4.\n\n",
}


def bpe() -> Any:
    """A byte-level BPE in the manner of Qwen2's, trained on the texts; the tags are tokens."""
    raw = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"), "isolated")
    raw.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False, min_frequency=1)
    raw.train_from_iterator([text.replace("<think>", " ").replace("</think>", " ") for text in TEXTS.values()] * 3, trainer)
    raw.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in ("<think>", "</think>")])
    return PreTrainedTokenizerFast(tokenizer_object=raw, clean_up_tokenization_spaces=False)


def qwen2() -> Any:
    """Qwen2's own vocabulary, where the tags are several tokens."""
    return AutoTokenizer.from_pretrained(Path(os.environ["REFLECTGEN_REAL_MODELS"]) / "qwen2.5-coder-0.5b")


def qwen2_tagged() -> Any:
    """Qwen2's vocabulary with the tags as tokens, as the authors' models have it."""
    tokenizer = qwen2()
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in ("<think>", "</think>")])
    return tokenizer


@pytest.fixture(params=[bpe, pytest.param(qwen2, marks=pytest.mark.real), pytest.param(qwen2_tagged, marks=pytest.mark.real)])
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A random Qwen2 with `score_module.pt` beside it; the head is scaled so that scores differ well."""
    if request.param is not bpe and "REFLECTGEN_REAL_MODELS" not in os.environ:
        pytest.skip("REFLECTGEN_REAL_MODELS names no folder")
    tokenizer = request.param()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=WIDTH, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=96, max_position_embeddings=512, initializer_range=0.1,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    torch.save(
        {
            "0.weight": torch.randn(2 * WIDTH, WIDTH) / 16,
            "0.bias": torch.zeros(2 * WIDTH),
            "3.weight": torch.randn(1, 2 * WIDTH) / 8,
            "3.bias": torch.zeros(1),
        },
        tmp_path / "model" / "score_module.pt",
    )
    yield tmp_path / "model"


def read_tokenizer(folder: Path) -> Any:
    """As the authors read it; AutoTokenizer would put Qwen2's own splitting rules into one that has others."""
    qwen2 = len(PreTrainedTokenizerFast.from_pretrained(folder)) > 100_000
    return (AutoTokenizer if qwen2 else PreTrainedTokenizerFast).from_pretrained(folder)


class Authors:
    """The authors' scorer over the checkpoint in `folder`."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        self.tokenizer = read_tokenizer(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        head = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Dropout(0.5), nn.Linear(2 * WIDTH, 1))
        head.load_state_dict(torch.load(folder / "score_module.pt", weights_only=True))
        self.head = head.eval().to(dtype)

    @torch.inference_mode()
    def __call__(self, text: str, steps: set[int]) -> tuple[float, list[int], list[float]]:
        """Trajectory score, positions and step scores of `text`."""
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        positions = authors_positions(self.tokenizer, ids, steps)
        features = self.model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-2][0, positions]
        scores = torch.sigmoid(self.head(features).float())[:, 0]
        total = scores.clamp(min=1e-10).log().mean().exp().item() if positions else 0.0
        return total, positions, scores.tolist()


def authors_steps(tokenizer: Any, chinese: bool) -> set[int]:
    """Ids of the step tokens."""
    if not chinese:
        return set(tokenizer.encode(".\n\n", add_special_tokens=False))
    texts = {token: tokenizer.decode([token]) for token in tokenizer.get_vocab().values()}
    return {t for t, s in texts.items() if len(s) <= 3 and any(c in s and len(s.replace(c, "")) <= 1 for c in "\n。")}


def authors_positions(tokenizer: Any, ids: list[int], steps: set[int]) -> list[int]:
    """First of each run of step tokens, not right after the opening tag, one position earlier, between the tags."""
    opening, closing = (tokenizer.encode(tag, add_special_tokens=False)[0] for tag in ("<think>", "</think>"))
    start = ids.index(opening) if ids.count(opening) == 1 else 0
    end = ids.index(closing) if ids.count(closing) == 1 else len(ids)
    firsts = [i for i, t in enumerate(ids) if t in steps and not (i and (ids[i - 1] in steps or ids[i - 1] == opening))]
    return [i - 1 for i in firsts if i and start < i - 1 < end]


def score(folder: Path, tmp_path: Path, preset: str) -> list[dict[str, Any]]:
    """The command's rows for all texts."""
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS.values()))
    arguments = ["score", "--input", source, "--output", output, "--model", folder, "--preset", preset, "--dtype", "fp32"]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in output.read_text().splitlines()]


@pytest.mark.parametrize("preset", ["official", "official_zh"])
def test_the_command_scores_as_the_authors_do(checkpoint: Path, tmp_path: Path, preset: str) -> None:
    rows = score(checkpoint, tmp_path, preset)
    assert sum(len(row["steps"]) for row in rows) >= 12, "the texts hold too few steps to compare anything"
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.float16, 2e-3)):
        authors = Authors(checkpoint, dtype)
        steps = authors_steps(authors.tokenizer, preset == "official_zh")
        for (name, text), row in zip(TEXTS.items(), rows, strict=True):
            total, positions, scores = authors(text, steps)
            assert [step["position"] for step in row["steps"]] == positions, name
            assert [step["score"] for step in row["steps"]] == pytest.approx(scores, abs=tolerance), name
            assert row["score"] == pytest.approx(total, abs=tolerance), name


@pytest.mark.parametrize("preset", ["official", "official_zh"])
def test_the_naive_engine_agrees(checkpoint: Path, tmp_path: Path, preset: str) -> None:
    rows = score(checkpoint, tmp_path, preset)
    with load(checkpoint, engine="naive", step_rule=preset, dtype="fp32") as model:
        for text, row in zip(TEXTS.values(), rows, strict=True):
            plain = model.score_text(text)
            assert list(plain.positions) == [step["position"] for step in row["steps"]]
            assert plain.score == pytest.approx(row["score"], abs=1e-4)
