"""The scores of given texts: `/v1/score` with every step, and two routes in the shape that vLLM gives reward models.

`/score` gives a pair of texts the trajectory score of the second after the first; `/pooling` gives a text the scores of its
steps, one number each.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar
from uuid import uuid4

from fastapi import Request
from pydantic import Field, model_validator
from starlette.responses import Response

from reflectgen.background import together
from reflectgen.reflector import GradedText
from reflectgen.serve.answer import documented, json_response, service_of
from reflectgen.serve.faults import Fault
from reflectgen.serve.service import Service
from reflectgen.serve.sse import unless_gone
from reflectgen.serve.strict import strict_router
from reflectgen.serve.wire import MOST, Wire

router = strict_router()
Texts = str | Annotated[list[str], Field(min_length=1, max_length=MOST)]
Pairs = list[tuple[str, str]]
"""Prompts and what follows them."""


class Pair(Wire):
    """A prompt and the completion whose steps are graded; a prompt alone is graded itself."""

    prompt: str
    completion: str = ""


class StepsRequest(Wire):
    """Either one pair, or many as `input`."""

    model: str
    prompt: str | None = None
    completion: str = ""
    input: Annotated[list[Pair], Field(min_length=1, max_length=MOST)] | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> StepsRequest:
        if (self.prompt is None) == (self.input is None) or (self.input is not None and self.completion):
            raise Fault("invalid_value", "Give either prompt and completion, or input with a list of them.", param="input")
        return self

    @property
    def pairs(self) -> Pairs:
        """What is to be graded."""
        if self.input is None:
            return [(self.prompt or "", self.completion)]
        return [(pair.prompt, pair.completion) for pair in self.input]


class ScoreRequest(Wire):
    """vLLM's: a text and another, or a text and many, or as many of both."""

    UNSUPPORTED: ClassVar = {"truncate_prompt_tokens": (), "activation": (), "use_activation": (True,), "priority": (0,)}
    model: str | None = None
    text_1: Texts
    text_2: Texts
    user: str | None = None

    @property
    def pairs(self) -> Pairs:
        """What is to be graded."""
        first, second = ([texts] if isinstance(texts, str) else texts for texts in (self.text_1, self.text_2))
        if len(first) not in (1, len(second)):
            message = f"{len(first)} and {len(second)} texts make no pairs: give one text_1, or as many as text_2."
            raise Fault("invalid_value", message, param="text_1")
        return list(zip(first * len(second) if len(first) == 1 else first, second, strict=True))


class PoolingRequest(Wire):
    """vLLM's: one text or many."""

    UNSUPPORTED: ClassVar = {
        "truncate_prompt_tokens": (),
        "dimensions": (),
        "encoding_format": ("float",),
        "add_special_tokens": (False,),
        "activation": (),
        "use_activation": (True,),
        "task": ("token_classify",),
        "priority": (0,),
    }
    model: str | None = None
    input: Texts
    user: str | None = None

    @property
    def pairs(self) -> Pairs:
        """What is to be graded."""
        return [(text, "") for text in ([self.input] if isinstance(self.input, str) else self.input)]


@router.post("/v1/score", responses=documented("Scores of texts and of all their steps."))
async def steps(wire: StepsRequest, request: Request) -> Response:
    """Grade the steps of completions."""
    return await _graded(request, wire.model, wire.pairs, "score", _whole)


@router.post("/score", responses=documented("Scores of texts."))
async def score(wire: ScoreRequest, request: Request) -> Response:
    """Score completions."""
    return await _graded(request, wire.model, wire.pairs, "score", lambda graded: {"score": graded.score})


@router.post("/pooling", responses=documented("Scores of the steps of texts."))
async def pooling(wire: PoolingRequest, request: Request) -> Response:
    """Score the steps of texts."""
    return await _graded(
        request, wire.model, wire.pairs, "pooling", lambda graded: {"data": [[step.score] for step in graded.steps]}
    )


async def _graded(request: Request, model: str | None, pairs: Pairs, kind: str, tell: Any) -> Response:
    service = service_of(request)
    service.check_model(service.name if model is None else model)
    service.check_texts([prompt + completion for prompt, completion in pairs], "input")
    graded = await unless_gone(request.receive, _grade(service, pairs))
    tokens = sum(one.tokens for one in graded)
    request.state.about = {"texts": len(pairs), "prompt_tokens": tokens}
    service.metrics.graded(graded)
    return json_response(
        {
            "id": f"{kind}-{uuid4().hex}",
            "object": "list",
            "created": int(time.time()),
            "model": service.name,
            "data": [{"index": index, "object": kind, **tell(one)} for index, one in enumerate(graded)],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


async def _grade(service: Service, pairs: Pairs) -> Sequence[GradedText]:
    place = service.admission.enter()
    try:
        with service.engine():
            return await place.run(lambda: together(service.model.ascore_text(*pair) for pair in pairs))
    finally:
        place.leave()


def _whole(graded: GradedText) -> dict[str, Any]:
    return {
        "score": graded.score,
        "steps": [
            {
                "index": index,
                "text": step.text,
                "position": position,
                "score": step.score,
                "logprob": step.logprob,
                "confidence": step.confidence,
            }
            for index, (position, step) in enumerate(zip(graded.positions, graded.steps, strict=True))
        ],
    }
