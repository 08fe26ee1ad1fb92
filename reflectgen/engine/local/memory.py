"""How much memory the cache may take where nobody said."""

from __future__ import annotations

import os

import torch

SHARE = 0.25
"""Share of the free memory on CPU and MPS, where the rest of the machine needs it too."""
CUDA_SHARE = 0.8
"""Share of the free memory of a GPU."""


def default_budget(device: torch.device) -> int:
    """Bytes for keys and values on `device`: a share of what is free now."""
    if device.type == "cuda":
        return int(CUDA_SHARE * torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(SHARE * torch.mps.recommended_max_memory())
    return int(SHARE * _free_memory())


def _free_memory() -> int:
    """Bytes of main memory that are free; half of all where the system does not say."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
