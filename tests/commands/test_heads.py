import json
from collections.abc import Callable
from pathlib import Path

import torch
from typer.testing import Result

from reflectgen.load import load

Run = Callable[..., Result]
TEXT = "<think>Two.\n\nIt is 4.\n\n</think>"


def test_a_head_survives_the_way_out_and_back(run: Run, folder: Path, tmp_path: Path) -> None:
    exported, native = tmp_path / "score_module.pt", tmp_path / "head"
    assert run("export", folder, "--output", exported, "--layout", "score_module").exit_code == 0
    assert sorted(torch.load(exported, weights_only=True)) == ["0.bias", "0.weight", "3.bias", "3.weight"]
    done = run("import", exported, "--output", native)
    assert done.exit_code == 0 and "It knows no backbone yet" in done.output
    with (
        load(folder, engine="naive", step_rule="paper") as own,
        load(folder, head=native, engine="naive", step_rule="paper") as other,
    ):
        assert own.score_text(TEXT) == other.score_text(TEXT)


def test_with_a_backbone_the_fingerprint_is_noted(run: Run, folder: Path, tmp_path: Path) -> None:
    run("export", folder, "--output", tmp_path / "score_module.pt")
    done = run("import", tmp_path / "score_module.pt", "--output", tmp_path / "head", "--backbone", folder)
    assert done.exit_code == 0, done.output
    noted = json.loads((tmp_path / "head" / "reflectgen.json").read_text())["head"]
    assert noted["backbone"].startswith("qwen2-4x64-") and noted["backbone_name"] == str(folder)


def test_what_cannot_be_imported_or_exported_writes_nothing(run: Run, folder: Path, headless: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    torch.save({"weight": torch.zeros(2)}, other)
    for arguments, fault in [
        (("import", other, "--output", tmp_path / "head"), "holds no head in a known layout"),
        (("import", tmp_path / "none.pt", "--output", tmp_path / "head"), "There is no file"),
        (("export", folder, "--output", tmp_path / "x.pt", "--layout", "nope"), "Unknown layout 'nope'"),
        (("export", folder, "--output", tmp_path / "x.pt", "--layout", "step"), "The layout 'step' means heads with layer -1"),
        (("export", headless, "--output", tmp_path / "x.pt"), "holds no head"),
        (("export", folder, "--output", tmp_path / "none" / "x.pt"), "there is no folder"),
    ]:
        done = run(*arguments)
        assert done.exit_code == 2 and fault in done.output, done.output
    assert list(tmp_path.iterdir()) == [other]
