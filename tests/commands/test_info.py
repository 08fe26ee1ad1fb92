import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from reflectgen import zoo

Run = Callable[..., Result]


def test_the_facts_of_a_model_and_its_head(run: Run, folder: Path) -> None:
    facts = json.loads(run("info", folder, "--json").output)
    assert (facts["architecture"], facts["layers"], facts["width"], facts["context"]) == ("Qwen2ForCausalLM", 4, 64, 256)
    # two linear layers: 64 * 128 + 128, 128 + 1
    assert facts["head parameters"] == 8_449
    assert (facts["step rule"], facts["step tokens"], facts["head layer"], facts["head offset"]) == ("paper", 1, -2, -1)
    assert facts["thinking tags"] == ["<think>", "</think>"]
    assert facts["head's backbone"] == facts["fingerprint"] and facts["head's backbone matches"] is True


def test_people_get_one_fact_a_line(run: Run, folder: Path) -> None:
    lines = run("info", folder).output.splitlines()
    assert ["step", "rule", "paper"] in [line.split() for line in lines]
    assert ["thinking", "tags", "<think>", "</think>"] in [line.split() for line in lines]
    assert max(map(len, lines)) <= 80


def test_a_model_without_a_head_says_so(run: Run, headless: Path) -> None:
    facts = json.loads(run("info", headless, "--json").output)
    assert facts["head"] is None and "step rule" not in facts


def test_a_head_on_another_backbone(run: Run, folder: Path, headless: Path, tmp_path: Path) -> None:
    import tiny_folder

    other = tiny_folder.write(tmp_path / "other", head=False, seed=1)
    assert run("info", other, "--head", folder).exit_code == 2
    facts = json.loads(run("info", other, "--head", folder, "--allow-backbone-mismatch", "--json").output)
    assert facts["head's backbone matches"] is False


def test_a_head_that_ships_for_the_model_is_shown(
    run: Run, headless: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = json.loads(run("info", headless, "--json").output)["fingerprint"]
    monkeypatch.setattr(zoo, "HEADS", {folder.name: zoo.ShippedHead(("owner/model",), fingerprint)})
    monkeypatch.setattr(zoo, "HEADS_FOLDER", folder.parent)
    facts = json.loads(run("info", headless, "--json").output)
    assert facts["head"] == "SPRM" and facts["head ships as"] == folder.name and facts["head's backbone matches"] is True
    assert json.loads(run("info", headless, "--head", "none", "--json").output)["head"] is None
