"""vLLM where it samples for training: what it is told of heads, and whether it is sent the head's new weights.

TRL starts a colocated vLLM from the policy's own folder and knows nothing of heads. So it is told of them as by our own engine
(`reflectgen.engine.vllm`): where the folder holds the head that learns, vLLM holds it too; where it holds another one, or one
that vLLM cannot hold, vLLM leaves the head's file alone. A server was started by somebody; it says what it was told.

Before each round TRL sends all weights of the policy by their names, the head's among them. Those reach vLLM where it holds a
head, so that it grades what it samples with the newest one, and stay behind where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from trl import GRPOConfig
from trl.generation import vllm_generation
from trl.generation.vllm_generation import VLLMGeneration

from reflectgen.engine.vllm.channel import reserve
from reflectgen.engine.vllm.heads import ARCHITECTURES, NO_HEAD, holds_head, overrides, processors
from reflectgen.errors import ModelError
from reflectgen.model.checkpoint import HEAD_FILE, read_head
from reflectgen.train.patch import HEAD

MISSING = "This recipe samples with vLLM, which is not installed: pip install 'reflectgen[vllm]', or leave out its key vllm."

SERVER_INFO = "/server_info"
"""Where a server tells its configuration, in the mode in which it takes weights (`VLLM_SERVER_DEV_MODE=1`)."""


@contextmanager
def told_of_heads(policy: Any, tokenizer: Any, args: GRPOConfig) -> Iterator[None]:
    """Inside, a vLLM that TRL starts for `policy` gets what `options` says as well; raises `ModelError` without a vLLM."""
    if not args.use_vllm:
        yield
        return
    own = getattr(vllm_generation, "LLM", None)
    if own is None:
        raise ModelError(MISSING)
    vllm_generation.LLM = partial(own, **options(policy, tokenizer)) if args.vllm_mode == "colocate" else own
    try:
        yield
    finally:
        vllm_generation.LLM = own


def options(policy: Any, tokenizer: Any) -> dict[str, Any]:
    """What vLLM must be told to read the folder of `policy`, which may have its head as the attribute `HEAD`.

    Raises `ModelError` for a folder with a head and a class of vLLM's that takes the head's file for weights of the model.
    """
    folder, name = Path(policy.name_or_path), type(policy).__name__
    if not (folder / HEAD_FILE).is_file():
        return {}
    if name not in ARCHITECTURES:
        raise ModelError(
            f"vLLM would take the head in {folder} for weights of the model, and cannot be told otherwise for {name}: move the "
            "head's files to a folder of their own, or leave out the recipe's key vllm."
        )
    head = getattr(policy, HEAD, None)
    if head is None or not _is_of(head.config, folder) or not _has_room(policy, tokenizer):
        return {"hf_overrides": overrides(name, NO_HEAD)}
    return {"hf_overrides": overrides(name, str(folder)), "logits_processors": processors(head.config) or None}


def _is_of(config: Any, folder: Path) -> bool:
    """Whether the head in `folder` has this configuration; its weights need not be the same, since new ones are sent."""
    return read_head(folder).head.config.model_copy(update={"blend": None}) == config


def _has_room(policy: Any, tokenizer: Any) -> bool:
    """Whether the vocabulary has ids that scores can leave vLLM by."""
    try:
        reserve(tokenizer, policy.config.get_text_config(decoder=True).vocab_size)
    except ModelError:
        return False
    return True


def send_head_where_it_is_held(vllm: VLLMGeneration) -> None:
    """Leave the head's weights out of what `vllm` is sent, unless it holds a head."""
    if not holds_head(_told(vllm)):
        vllm._iter_named_params = without_head(vllm._iter_named_params)


def _told(vllm: VLLMGeneration) -> object:
    """The `hf_overrides` that vLLM runs with; None on ranks that send a server nothing."""
    if vllm.mode == "colocate":
        return vllm.llm.llm_engine.model_config.hf_overrides
    if not vllm.accelerator.is_main_process:
        return None
    client = vllm.vllm_client
    answer = client._get(f"{client.base_url}{SERVER_INFO}", params={"config_format": "json"})
    return answer["vllm_config"]["model_config"]["hf_overrides"]


def without_head(named: Callable[[], Iterable[tuple[str, Any]]]) -> Callable[[], Iterator[tuple[str, Any]]]:
    """The named weights but the head's. All are gathered, since gathering is for all ranks."""
    return lambda: ((name, weight) for name, weight in named() if HEAD not in name.split("."))
