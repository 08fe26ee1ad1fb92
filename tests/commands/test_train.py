from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from reflectgen.commands.train import show
from reflectgen.train.samples import Sample

Run = Callable[..., Result]
RECIPE = "head: {hidden_size: 128}\noptimizer: {updates: 10, batch: 2}\n"


def test_a_recipe_is_run_with_its_overrides(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("reflectgen.train.sft.run", lambda config, output, resume: calls.append((config, output, resume)))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = run("train", tmp_path / "recipe.yaml", "seed=7", "optimizer.updates=3", "--output", tmp_path / "model", "--fresh")
    assert done.exit_code == 0, done.output
    ((config, output, resume),) = calls
    assert (config.seed, config.optimizer.updates, output, resume) == (7, 3, tmp_path / "model", False)


def test_an_interrupt_says_where_the_checkpoints_are(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reflectgen.train.sft.run", interrupted)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = run("train", tmp_path / "recipe.yaml", "--output", tmp_path / "model")
    assert done.exit_code == 130
    assert f"checkpoints are in {tmp_path / 'model'}-checkpoints. The same command goes on" in done.output


JOINT = "stage: joint\nmodel: tiny\ntask: {name: wordproblems, limit: 8}\nupdates: 4\n"


@pytest.mark.parametrize(("stage", "kind"), [("joint", "JointConfig"), ("grpo", "GrpoConfig")])
def test_the_stage_says_what_is_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, kind: str) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("reflectgen.train.joint.run", lambda config, output, resume, show: calls.append((config, resume)))
    (tmp_path / "recipe.yaml").write_text(JOINT)
    done = run("train", tmp_path / "recipe.yaml", f"stage={stage}", "policy.kl=0", "--output", tmp_path / "model")
    assert done.exit_code == 0, done.output
    ((config, resume),) = calls
    assert (type(config).__name__, config.policy.kl, config.updates, resume) == (kind, 0, 4, True)


def test_a_retrofit_recipe_is_handed_to_the_training_of_heads(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("reflectgen.commands.retrofit.train_head", lambda config, output: calls.append((config, output)))
    (tmp_path / "recipe.yaml").write_text("stage: retrofit\nmodel: some/model\nrollouts: [a, b]\nloss: pairwise\n")
    done = run("train", tmp_path / "recipe.yaml", "--output", tmp_path / "head")
    assert done.exit_code == 0, done.output
    ((config, output),) = calls
    assert (config.model, config.rollouts, config.loss) == ("some/model", (Path("a"), Path("b")), "pairwise")
    assert output == tmp_path / "head"


def test_a_retrofit_has_nothing_to_begin_afresh(run: Run, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("stage: retrofit\nmodel: some/model\nrollouts: [a]\n")
    done = run("train", tmp_path / "recipe.yaml", "--fresh", "--output", tmp_path / "head")
    assert (done.exit_code, "The stage retrofit keeps no checkpoints" in " ".join(done.output.split())) == (2, True)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["stage=joined"], "Unknown stage 'joined': choose one of grpo, joint, retrofit, sft. Did you mean 'joint'?"),
        (["polcy.lr=1"], "polcy: Extra inputs are not permitted."),
        (["policy.lr=fast"], "policy.lr: Input should be a valid number, unable to parse string as a number."),
        (["rollouts.k=1"], "rollouts.k: Input should be greater than or equal to 2."),
        (["updates=6"], "updates must be a multiple of the 4 updates of one round of sampling."),
        (["save_every=6"], "save_every must be a multiple of log_every and of the 4 updates of one round of sampling"),
        (["rollouts.prompts=12"], "rollouts.prompts must be a multiple of policy.prompts_per_update."),
        (["stage=grpo", "spr.lr=1"], "spr: Extra inputs are not permitted."),
        (["stage=retrofit"], "rollouts: Input should be a valid tuple."),
        (["vllm.mode=server"], "the mode server needs a base_url, and colocate takes none."),
        (["report_to=[paper]"], "report_to.0: Input should be 'tensorboard', 'trackio' or 'wandb'."),
        (["task.name=gsm8k"], "The task gsm8k reads the publisher's train.jsonl"),
        (["head.hidden_size=64"], "The head reads states of width 64, but this backbone's have 128: it is another model."),
    ],
)
def test_a_recipe_that_cannot_be_run_is_refused_in_one_sentence(
    run: Run, tmp_path: Path, overrides: list[str], sentence: str
) -> None:
    (tmp_path / "recipe.yaml").write_text(JOINT)
    small = ["rollouts.max_tokens=100", "precision=fp32"]
    done = run("train", tmp_path / "recipe.yaml", *small, *overrides, "--output", tmp_path / "model")
    assert done.exit_code == 2
    assert sentence in done.output
    assert done.output.strip().count("\n") == 0


def test_samples_are_shown_as_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    steps = (("1 + 1\n= 2.\n\n", 0.9), ("so 3.\n\n", 0.12))
    told: dict[str, Any] = {"problem": "p/7", "advantage": 0.5, "steps": steps, "text": "..."}
    show(20, [Sample(correct=False, ended=True, score=0.33, **told), Sample(correct=False, ended=False, score=None, **told)])
    shown = capsys.readouterr().err
    assert all(
        part in shown for part in ("Samples after 20 updates", "0.90 1 + 1 = 2.", "0.12 so 3.", "wrong", "cut off", "0.33")
    )
