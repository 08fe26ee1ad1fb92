import json
from collections.abc import Callable
from pathlib import Path

import pytest
import stored
from typer.testing import Result

Run = Callable[..., Result]
QUICK = ("seeds=1", "epochs=2")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores") / "s"
    stored.write(folder, *stored.bundled(), problems=20, samples=4)
    return folder


def test_a_head_from_a_store_and_a_table_of_what_it_reaches(run: Run, store: Path, tmp_path: Path) -> None:
    stored.write(tmp_path / "test", *stored.bundled(), problems=8, samples=4, seed=1)
    stores = ("--rollouts", store, "--test", tmp_path / "test")
    done = run("retrofit", *stores, "--output", tmp_path / "head", "--search", "layer", *QUICK)
    assert done.exit_code == 0, done.output
    assert "layer-1-normed" in done.output and "weighted:blend" in done.output and "Test: 8 problems x 4 traces" in done.output
    assert "trained on 16 problems and validated on 4" in done.output.replace("\n", " ")
    facts = json.loads(run("info", "tiny", "--head", tmp_path / "head", "--json").output)
    assert facts["head's backbone matches"] is True and facts["head parameters"] == 128 * 64 + 64 + 64 + 1


def test_programs_get_json(run: Run, store: Path, tmp_path: Path) -> None:
    done = run("retrofit", "-r", store, "-o", tmp_path / "head", "--json", *QUICK, "head.width=8")
    found = json.loads(done.stdout)
    assert found["head"]["width"] == 8 and found["test"] is None and found["problems"] == {"training": 16, "validation": 4}


def test_a_recipe_file(run: Run, store: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("seeds: 1\nepochs: 1\nhead: {width: 4}\n")
    done = run("retrofit", "-r", store, "-o", tmp_path / "head", "--config", tmp_path / "r.yaml", "--json")
    assert json.loads(done.stdout)["head"]["width"] == 4


def test_a_head_is_put_on_the_hub_privately(run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[tuple[Path, str, bool]] = []

    def push(folder: Path, repo: str, *, private: bool) -> str:
        pushed.append((folder, repo, private))
        return "https://hub/x"

    monkeypatch.setattr("reflectgen.model.share.push_head", push)
    done = run("retrofit", "-r", store, "-o", tmp_path / "head", "--push-to-hub", "owner/x", *QUICK)
    assert done.exit_code == 0 and "https://hub/x" in done.output
    assert pushed == [(tmp_path / "head", "owner/x", True)]


def test_mistakes_are_one_sentence(run: Run, store: Path, tmp_path: Path) -> None:
    for arguments, fault in [
        (("--search", "laeyr"), "Unknown search 'laeyr'"),
        (("--public",), "give --push-to-hub REPO as well"),
        (("lss=bce",), "lss: Extra inputs are not permitted"),
        (("loss=bec",), "Unknown loss 'bec'"),
        (("--test", tmp_path / "none"), "holds no rollouts"),
        (("--labels", "mc"), "has no labels 'mc'"),
        (("--model", tmp_path / "none"), "could be found"),
        (("--config", tmp_path / "none.yaml"), "cannot be read"),
        (("head.layer=-7",), "layer -7"),
        (("validation=0.01",), "leaves nothing to train or to validate on"),
    ]:
        done = run("retrofit", "-r", store, "-o", tmp_path / "head", *arguments)
        assert done.exit_code == 2 and fault in done.output, done.output
    assert not (tmp_path / "head").exists()
