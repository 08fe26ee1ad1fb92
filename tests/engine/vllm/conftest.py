"""What tests of vLLM itself share: how it runs on a small CPU."""

from __future__ import annotations

import os

SETTINGS = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # one process less: the scheduler's computes as well
    "VLLM_CPU_CI_ENV": "1",  # where a model is compiled it is traced, and no C++ is built
    "TOKENIZERS_PARALLELISM": "false",
}
for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)
