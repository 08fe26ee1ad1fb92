from pathlib import Path

import pytest

from reflectgen.errors import InputError
from reflectgen.model.atomic import replace_file, replace_folder


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(OSError, match="disk full"), replace_file(target) as scratch:
        scratch.write_text("ne")
        raise OSError("disk full")
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with replace_folder(target, overwrite=False) as scratch:
        (scratch / "old").touch()
    with pytest.raises(OSError, match="disk full"), replace_folder(target, overwrite=True) as scratch:
        (scratch / "new").touch()
        raise OSError("disk full")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "old"]
    with replace_folder(target, overwrite=True) as scratch:
        (scratch / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "new"]


def test_what_exists_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with replace_folder(tmp_path / "empty", overwrite=False) as scratch:
        (scratch / "file").touch()
    for target in (tmp_path / "empty", tmp_path / "empty" / "file"):
        with pytest.raises(InputError, match="exists already"), replace_folder(target, overwrite=False):
            pass
