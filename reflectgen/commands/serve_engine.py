"""`reflectgen serve-engine`: a vLLM server whose model grades its steps."""

from __future__ import annotations

import typer

from reflectgen.commands import options as opt

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""How typer treats what it does not know: it is vLLM's."""


def serve_engine(
    context: typer.Context,
    model: opt.Model = "tiny",
    head: opt.Head = None,
    dtype: opt.Dtype = "auto",
    allow_backbone_mismatch: opt.AllowMismatch = False,
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Serve a model with vLLM, its SPRM head inside, for `--engine http://...`.

    \b
    reflectgen serve-engine --model my-model/ --port 8000
    reflectgen serve-engine --model Qwen/QwQ-32B --head head/ --tensor-parallel-size 4
    reflectgen solve "..." --model my-model/ --engine http://localhost:8000/v1

    Every option that is not listed here is vLLM's own and is passed on as it
    is. The server is vLLM's OpenAI server: other clients may use it, too.
    """
    from reflectgen.engine.vllm.serving import serve
    from reflectgen.load import locate
    from reflectgen.model.shipped import open_model

    name = locate(model)
    reflective = open_model(
        name, head=head, mapped=True, allow_backbone_mismatch=allow_backbone_mismatch, trust_remote_code=trust_remote_code
    )
    flags = [*context.args, "--trust-remote-code"] if trust_remote_code else context.args
    serve(name, reflective, head, flags, called=model, dtype=dtype)
