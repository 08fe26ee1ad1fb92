"""Where a run keeps its checkpoints, and whether those that are there are its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from reflectgen.errors import InputError


def folder_of(output: Path) -> Path:
    """The folder of the checkpoints of a run that will write to `output`: beside it, `<output>-checkpoints`.

    Raises `InputError` where `output` has files, or is one.
    """
    if output.is_file() or (output.exists() and any(output.iterdir())):
        raise InputError(f"The folder {output} is not empty: name another, or delete it to train anew.")
    return output.with_name(f"{output.name}-checkpoints")


def claim(folder: Path, recipe: str, resume: bool) -> None:
    """Make the folder of checkpoints this recipe's, or find that it is; with `resume=False` an earlier run's is deleted.

    A recipe that came to no checkpoint gives way to the next one. Raises `InputError` where there are checkpoints of another
    recipe, or of none that is known.
    """
    marker = folder / "recipe.json"
    claimed = marker.exists()
    if resume and claimed and marker.read_text(encoding="utf-8") == recipe:
        return
    if any(folder.glob("checkpoint-*")) and (resume or not claimed):
        raise InputError(f"The checkpoints in {folder} are of another recipe: begin afresh, or name another output.")
    if claimed:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    marker.with_suffix(".part").write_text(recipe, encoding="utf-8")
    marker.with_suffix(".part").replace(marker)


def last_checkpoint(folder: Path) -> str | None:
    """The newest complete checkpoint in `folder`, None where there is none.

    A checkpoint's `trainer_state.json` is written last: one that is missing or cut short marks a save that was killed.
    """
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((str(path) for path in found if _is_complete(path)), None)


def _is_complete(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
