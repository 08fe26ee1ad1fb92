"""Where a backbone runs and in what precision: tables of names.

`auto` takes the first accelerator there is, else the CPU. The dtype `auto` is the checkpoint's on an accelerator. On a CPU
it is float32 below `SMALL` parameters, where speed does not matter; above it, for a checkpoint stored in 16 bits or fewer,
bfloat16 where the CPU multiplies that (float16 is slow on all), else float32 where that fits: a CPU without such
instructions multiplies float32 several times as fast as bfloat16. The head is always float32. `int8` is float32 with the
linear layers in eight bits (`reflectgen.model.int8`).
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from reflectgen.errors import ModelError, unknown

SMALL = 200_000_000
"""Parameters below which a CPU runs in float32 by default."""
NATIVE_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
"""Instructions that multiply bfloat16, by torch's names."""
ROOM = 0.5
"""Share of the main memory that weights may take which are widened for speed alone."""


def _auto() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")


def _cuda() -> torch.device:
    if not torch.cuda.is_available():
        raise ModelError("The device 'cuda' was asked for, but torch sees no CUDA GPU: use --device cpu or auto.")
    return torch.device("cuda")


def _mps() -> torch.device:
    if not torch.backends.mps.is_available():
        raise ModelError("The device 'mps' was asked for, but torch sees no Apple GPU: use --device cpu or auto.")
    return torch.device("mps")


DEVICES: dict[str, Callable[[], torch.device]] = {
    "auto": _auto,
    "cpu": lambda: torch.device("cpu"),
    "cuda": _cuda,
    "mps": _mps,
}

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def resolve_device(name: str) -> torch.device:
    """The device called `name`; raises `OptionError` for an unknown name and `ModelError` where it is not there."""
    if name not in DEVICES:
        raise unknown("device", name, DEVICES)
    return DEVICES[name]()


def resolve_dtype(
    name: str, device: torch.device, stored: torch.dtype | None, parameters: Callable[[], int]
) -> torch.dtype | None:
    """The dtype called `name`, None for the checkpoint's; raises `OptionError` for an unknown name.

    `stored` is the checkpoint's dtype where it is known; `parameters` counts the backbone's parameters.
    """
    if name != "auto":
        if name not in DTYPES:
            raise unknown("dtype", name, ["auto", *DTYPES])
        return DTYPES[name]
    if device.type != "cpu":
        return None
    count = parameters()
    if count < SMALL:
        return torch.float32
    if stored is None or stored.itemsize > 2:
        return None
    fits = count * torch.float32.itemsize <= ROOM * total_memory()
    return torch.float32 if fits and not multiplies_bfloat16() else torch.bfloat16


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for it; True where torch is too old to tell."""
    ask = getattr(torch.cpu, "get_capabilities", None)
    return ask is None or any(ask().get(name) for name in NATIVE_BFLOAT16)


def total_memory() -> int:
    """Bytes of main memory, free or not: one machine gives one answer."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
