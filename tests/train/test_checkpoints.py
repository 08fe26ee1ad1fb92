from pathlib import Path

import pytest

from reflectgen.errors import InputError
from reflectgen.train.checkpoints import claim, folder_of, last_checkpoint


def test_checkpoints_lie_beside_an_output_that_is_still_to_come(tmp_path: Path) -> None:
    assert folder_of(tmp_path / "model") == tmp_path / "model-checkpoints"
    (tmp_path / "file").write_text("")
    for taken in (tmp_path, tmp_path / "file"):
        with pytest.raises(InputError, match="not empty"):
            folder_of(taken)


def test_checkpoints_of_another_recipe_are_refused_and_deleted_when_beginning_afresh(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    claim(folder, "one", resume=True)
    claim(folder, "one", resume=True)
    (folder / "checkpoint-2").mkdir()
    with pytest.raises(InputError, match="another recipe"):
        claim(folder, "two", resume=True)
    claim(folder, "two", resume=False)
    assert [path.name for path in folder.iterdir()] == ["recipe.json"]


def test_a_recipe_that_was_mended_before_its_first_checkpoint_is_no_other(tmp_path: Path) -> None:
    claim(tmp_path / "checkpoints", "no such model", resume=True)
    (tmp_path / "checkpoints" / "samples").mkdir()
    claim(tmp_path / "checkpoints", "mended", resume=True)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["recipe.json"]
    assert (tmp_path / "checkpoints" / "recipe.json").read_text() == "mended"


@pytest.mark.parametrize("resume", [True, False])
def test_checkpoints_of_nobody_are_neither_gone_on_from_nor_deleted(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "checkpoint-2").mkdir()
    with pytest.raises(InputError, match="another recipe"):
        claim(tmp_path, "one", resume)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]


def test_a_checkpoint_whose_saving_was_killed_is_passed_over(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for update, state in ((9, "{}"), (10, "{}"), (11, '{"cut')):
        (tmp_path / f"checkpoint-{update}").mkdir()
        (tmp_path / f"checkpoint-{update}" / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-12").mkdir()
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
