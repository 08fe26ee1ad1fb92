"""What importing and exporting a head does."""

from __future__ import annotations

from pathlib import Path

from reflectgen.config import HeadConfig, PromptConfig, ReflectiveConfig
from reflectgen.errors import ModelError, unknown
from reflectgen.load import locate
from reflectgen.marks import OFFICIAL_TAGS
from reflectgen.model.atomic import replace_folder
from reflectgen.model.checkpoint import load_head, write_head
from reflectgen.model.foreign import LAYOUTS, read_foreign, write_foreign
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.rows import check_writable


def import_foreign(file: Path, output: Path, *, backbone: str | None, trust_remote_code: bool) -> HeadConfig:
    """Read the head in `file` and write it natively to the folder `output`; return its configuration.

    With `backbone` the width is checked and the fingerprint noted; without, the thinking tags are taken to be the
    authors'. Raises `ModelError` for a file that holds no head and `InputError` where `output` holds something already.
    """
    if not file.is_file():
        raise ModelError(f"There is no file {file} to import a head from.")
    config = ReflectiveConfig(head=read_foreign(file).config, prompt=PromptConfig(tags=OFFICIAL_TAGS))
    if backbone is not None:
        config = _marked(file, locate(backbone), trust_remote_code)
    with replace_folder(output, overwrite=False) as scratch:
        write_head(scratch, read_foreign(file), config)
    return config.head


def _marked(file: Path, backbone: str | Path, trust_remote_code: bool) -> ReflectiveConfig:
    """The configuration of the head in `file`, marked with its backbone's fingerprint, and with that model's prompt."""
    model = ReflectiveModel.from_pretrained(backbone, head=file, device="cpu", trust_remote_code=trust_remote_code)
    tokenizer = load_tokenizer(backbone, trust_remote_code=trust_remote_code)
    return model.marked_config().model_copy(update={"prompt": model.prompt_config(tokenizer)})


def export_foreign(model: str, output: Path, layout: str) -> None:
    """Write the head of `model` to the file `output` in a foreign layout.

    Raises `OptionError` for an unknown layout and `ModelError` where there is no head or the layout cannot express it.
    """
    if layout not in LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)
    check_writable(output)
    write_foreign(output, load_head(locate(model)).head, layout)
