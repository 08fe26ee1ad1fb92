"""vLLM in this process: its asynchronous engine, whose scheduler and workers are processes of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from reflectgen.engine.vllm.adapters import request
from reflectgen.engine.vllm.channel import CONFIDENCE_K, Reader, confidence
from reflectgen.engine.vllm.heads import REPLAY
from reflectgen.engine.vllm.replica import STREAM, Ask, Lost, Measured, Part
from reflectgen.errors import ModelError

QUIET = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
"""Environment of a vLLM that is part of another program, where nothing else is set."""
MISSING = "The engine vllm needs vLLM, which is not installed: pip install 'reflectgen[vllm]', or name a running server's URL."


@dataclass(slots=True)
class Gauge:
    """The newest figures of vLLM's scheduler, by data-parallel rank."""

    pressure: dict[int, float] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=dict)


class InProcess:
    """A replica in this process. See `reflectgen.engine.vllm.replica.Replica`."""

    name = "vLLM in this process"

    def __init__(self, reader: Reader, options: Mapping[str, Any], adapter: str | Path | None = None) -> None:
        """Start vLLM with `options`, fields of its `AsyncEngineArgs`; raises `ModelError` where it will not.

        `adapter` is the folder of a LoRA adapter that all requests are run with.
        """
        for variable, value in QUIET.items():
            os.environ.setdefault(variable, value)
        self.reader = reader
        self._gauge = Gauge()
        self._engine, self._adapter = _start(options, self._gauge, adapter)
        self._adapted = adapter is None
        self._numbers = count()
        self.context = int(self._engine.model_config.max_model_len)

    @property
    def pressure(self) -> float:
        """Share of the cache's blocks in use; of many ranks the largest."""
        return max(self._gauge.pressure.values(), default=0.0)

    @property
    def waiting(self) -> int:
        """Requests in the scheduler's queue."""
        return sum(self._gauge.waiting.values())

    async def draw(self, ask: Ask) -> AsyncGenerator[Part]:
        """Go on; see `Replica.draw`."""
        async with aclosing(self._generate(ask.ids, self._params(ask))) as outputs:
            first = True
            async for output in outputs:
                [completion] = output.outputs
                prefilled = len(ask.ids) - (output.num_cached_tokens or 0) if first else 0
                first = False
                yield Part([self.reader.row(*pair) for pair in _rows(completion.logprobs)], prefilled, output.finished)

    async def measure(self, ids: Sequence[int]) -> Measured:
        """Log-probs and confidences; see `Replica.measure`."""
        from vllm import SamplingParams

        params = SamplingParams(
            temperature=0, max_tokens=1, prompt_logprobs=CONFIDENCE_K, detokenize=False, flat_logprobs=True, skip_clone=True
        )
        async with aclosing(self._generate(list(ids), params)) as outputs:
            async for output in outputs:
                rows = [*_rows(output.prompt_logprobs)]
                return Measured([values[token] for token, values in rows], [confidence(values) for _, values in rows])
        raise Lost("a request ended without an answer")

    async def alive(self) -> bool:
        """Whether vLLM's own processes are."""
        return self._engine is not None and not self._engine.errored

    async def close(self) -> None:
        """Stop vLLM."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.shutdown()

    def _params(self, ask: Ask) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=ask.sampling.temperature,
            top_p=ask.sampling.top_p,
            top_k=ask.sampling.top_k,
            max_tokens=ask.most + ask.replayed,
            stop_token_ids=list(ask.stop),
            ignore_eos=True,
            logprob_token_ids=list(self.reader.ids) or None,
            logprobs=None if self.reader.ids else self.reader.top,
            logit_bias=self.reader.ban or None,
            flat_logprobs=True,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
            stream_interval=STREAM,
            extra_args=None if ask.replay is None else {REPLAY: list(ask.replay)},
            skip_clone=True,
        )

    async def _adapt(self) -> None:
        """Let vLLM read the adapter, unless it has: one that does not fit the model fails here, and no engine dies of it."""
        if self._adapted:
            return
        try:
            await self._engine.add_lora(self._adapter)
        except Exception as error:
            raise ModelError(
                f"vLLM cannot run the model with the adapter {self._adapter.path}: {first_cause(error)}."
            ) from error
        self._adapted = True

    async def _generate(self, ids: list[int], params: Any) -> AsyncGenerator[Any]:
        """vLLM's own outputs; what it raises becomes `Lost` or `ModelError`."""
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        try:
            await self._adapt()
            answers = self._engine.generate(
                {"prompt_token_ids": ids}, params, str(next(self._numbers)), lora_request=self._adapter
            )
            async with aclosing(answers) as outputs:
                async for output in outputs:
                    yield output
        except EngineDeadError:
            raise Lost("its engine process died") from None
        except EngineGenerateError as error:
            raise Lost(f"{type(error.__cause__).__name__}: {error.__cause__}") from error
        except (VLLMClientError, ValueError) as error:
            raise ModelError(f"vLLM refused a request: {error}") from error


def _rows(logprobs: Any) -> list[tuple[int, dict[int, float]]]:
    """Each position's own token and its log-probs by id, of vLLM's flat log-probs; positions without any are left out."""
    spans = zip(logprobs.start_indices, logprobs.end_indices, strict=True)
    cells = ((logprobs.token_ids[low:high], logprobs.logprobs[low:high]) for low, high in spans if high > low)
    return [(ids[0], dict(zip(ids, values, strict=True))) for ids, values in cells]


def _start(options: Mapping[str, Any], gauge: Gauge, adapter: str | Path | None) -> tuple[Any, Any]:
    """vLLM's engine, and the request for the adapter or None."""
    try:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM
        from vllm.v1.metrics.loggers import StatLoggerBase
    except ImportError as error:
        raise ModelError(MISSING) from error

    class Logger(StatLoggerBase):
        """Keeps the newest figures."""

        def __init__(self, vllm_config: Any, engine_index: int = 0) -> None:
            self.index = engine_index

        def record(self, scheduler_stats: Any, *args: Any, **kwargs: Any) -> None:
            if scheduler_stats is not None:
                gauge.pressure[self.index] = float(scheduler_stats.kv_cache_usage)
                gauge.waiting[self.index] = int(scheduler_stats.num_waiting_reqs)

        def log_engine_initialized(self) -> None:
            pass

    unknown = options.keys() - AsyncEngineArgs.__dataclass_fields__.keys()
    if unknown:
        raise ModelError(f"vLLM's engine has no option '{min(unknown)}': see its AsyncEngineArgs.")
    try:
        args = AsyncEngineArgs(**options, disable_log_stats=True, enable_log_requests=False)
        lora = None if adapter is None else request(adapter, args.max_lora_rank)
        return AsyncLLM.from_engine_args(args, stat_loggers=[Logger]), lora
    except Exception as error:
        raise ModelError(f"vLLM could not start: {first_cause(error)}.") from error


def first_cause(error: BaseException) -> str:
    """The last line of what `error`, or what lies under it, says, without a full stop."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else type(error).__name__
