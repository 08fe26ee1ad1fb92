import pytest
import torch

from reflectgen.errors import ModelError, OptionError
from reflectgen.model import placement
from reflectgen.model.placement import DTYPES, SMALL, resolve_device, resolve_dtype

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("cuda", "mps", "expected"), [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_the_first_accelerator(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto").type == expected


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_an_accelerator_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ModelError, match=f"'{name}' was asked for, but torch sees no .* use --device cpu or auto"):
        resolve_device(name)


def test_unknown_names_are_refused_with_the_table() -> None:
    with pytest.raises(OptionError, match="Unknown device 'gpu': choose one of auto, cpu, cuda, mps"):
        resolve_device("gpu")
    with pytest.raises(OptionError, match="Did you mean 'bfloat16'"):
        resolve_dtype("bfloat", CPU, None, lambda: 0)


@pytest.mark.parametrize(
    ("native", "device", "stored", "parameters", "expected"),
    [
        (True, GPU, torch.bfloat16, 1, None),
        (True, CPU, torch.bfloat16, SMALL - 1, torch.float32),
        (True, CPU, torch.bfloat16, SMALL, torch.bfloat16),
        (True, CPU, torch.float16, SMALL, torch.bfloat16),
        (True, CPU, torch.float32, SMALL, None),
        (True, CPU, None, SMALL, None),
        (False, CPU, torch.bfloat16, SMALL, torch.float32),
        (False, CPU, torch.float16, SMALL, torch.float32),
        (False, CPU, torch.bfloat16, 10**12, torch.bfloat16),
        (False, CPU, torch.float32, SMALL, None),
    ],
)
def test_the_automatic_dtype(
    monkeypatch: pytest.MonkeyPatch,
    native: bool,
    device: torch.device,
    stored: torch.dtype | None,
    parameters: int,
    expected: torch.dtype | None,
) -> None:
    monkeypatch.setattr(placement, "multiplies_bfloat16", lambda: native)
    monkeypatch.setattr(placement, "total_memory", lambda: 2**33)
    assert resolve_dtype("auto", device, stored, lambda: parameters) == expected


@pytest.mark.parametrize(
    ("capabilities", "native"), [({"avx512_bf16": True}, True), ({"avx512_f": True, "bf16": False}, False)]
)
def test_what_the_cpu_multiplies_is_asked_of_torch(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], native: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert placement.multiplies_bfloat16() == native


def test_a_torch_that_cannot_tell_counts_as_multiplying_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert placement.multiplies_bfloat16()


def test_every_dtype_has_a_long_and_a_short_name() -> None:
    for long, short in (("float32", "fp32"), ("bfloat16", "bf16"), ("float16", "fp16")):
        assert DTYPES[long] == DTYPES[short] == resolve_dtype(short, GPU, None, lambda: 0) == getattr(torch, long)
