"""`reflectgen serve`: a model behind OpenAI's routes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reflectgen.commands import options as opt
from reflectgen.config import ServeConfig
from reflectgen.errors import OptionError

if TYPE_CHECKING:
    from socket import socket

    from reflectgen.serve.keys import Keys

WHERE, LIMITS = "Where and for whom", "Limits"
"""Panels of the help page."""
DEFAULT = ServeConfig()


def _limit(name: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(f"--{name}", rich_help_panel=LIMITS, help=help, metavar=metavar)


def serve(
    model: opt.Model = "tiny",
    head: opt.Head = None,
    prm: opt.PRM = None,
    engine: opt.Engine = "local",
    adapter: opt.Adapter = None,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "auto",
    kv_budget: opt.KVBudget = None,
    allow_backbone_mismatch: opt.AllowMismatch = False,
    trust_remote_code: opt.TrustRemoteCode = False,
    host: Annotated[
        str, typer.Option(rich_help_panel=WHERE, help="Address to listen on; beyond this machine with keys only.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(rich_help_panel=WHERE, min=0, max=65535, help="Port; 0 for any that is free.")] = 8000,
    name: Annotated[
        str | None, typer.Option(rich_help_panel=WHERE, help="What clients call the model; its own name by default.")
    ] = None,
    effort: Annotated[
        str, typer.Option(rich_help_panel=WHERE, help="Effort of requests that do not say: none to xhigh, or auto.")
    ] = "medium",
    api_key_file: Annotated[
        Path | None, typer.Option(rich_help_panel=WHERE, metavar="FILE", help="Keys that open the service, one a line.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(rich_help_panel=WHERE, metavar="ORIGIN", help="Web origin that may ask; repeatable.")
    ] = None,
    log_texts: Annotated[
        bool, typer.Option("--log-texts", rich_help_panel=WHERE, help="Write questions and answers into the log too.")
    ] = False,
    live: Annotated[int, _limit("live", "Requests that are answered at once.")] = DEFAULT.live,
    queue: Annotated[int, _limit("queue", "Requests that wait; any more get 429.")] = DEFAULT.queue,
    deadline: Annotated[float, _limit("deadline", "Seconds for a request, its wait included.")] = DEFAULT.deadline,
    grace: Annotated[float, _limit("grace", "Seconds for live requests when the service stops.")] = DEFAULT.grace,
    receive: Annotated[float, _limit("receive", "Seconds that a client has to send or to take.")] = DEFAULT.receive,
    max_body: Annotated[str, _limit("max-body", "Largest request.", "SIZE")] = "2M",
    max_messages: Annotated[int, _limit("max-messages", "Messages or texts in a request.")] = DEFAULT.messages,
    max_characters: Annotated[int, _limit("max-characters", "Characters in a request.")] = DEFAULT.characters,
    max_k: Annotated[int, _limit("max-k", "Thinkings for a request.")] = DEFAULT.thinkings,
    max_n: Annotated[int, _limit("max-n", "Answers to a request.")] = DEFAULT.choices,
    max_tokens: Annotated[int | None, _limit("max-tokens", "Tokens generated for a request, over all branches.")] = None,
) -> None:
    """Serve a model to OpenAI's clients: chat, completions, responses, and the scores of steps.

    \b
    reflectgen serve
    reflectgen serve --model Qwen/Qwen3-0.6B --head head/ --port 9000
    reflectgen serve --host 0.0.0.0 --api-key-file keys.txt
    reflectgen serve --model my-model/ --engine http://host:8001/v1

    Any client of OpenAI's is pointed at http://127.0.0.1:8000/v1. Logs are
    JSON lines on standard error, without prompts or answers unless
    --log-texts asks for them. SIGTERM lets live requests finish first.
    """
    limits = ServeConfig.parse(
        {
            "live": live, "queue": queue, "deadline": deadline, "grace": grace, "receive": receive,
            "body": opt.parse_size(max_body, "--max-body"), "messages": max_messages, "characters": max_characters,
            "thinkings": max_k, "choices": max_n, "tokens": max_tokens,
        },
        "The limits",
    )  # fmt: skip
    origins = allow_origin or []
    keys, listener = _place(host, port, api_key_file, effort, origins)
    loading = opt.loading(
        model=model, head=head, engine=engine, device=device, dtype=dtype, kv_budget=kv_budget,
        allow_backbone_mismatch=allow_backbone_mismatch, trust_remote_code=trust_remote_code, adapter=adapter, prm=prm,
    )  # fmt: skip
    with listener:
        shown = {"name": name or model, "limits": limits, "effort": effort, "log_texts": log_texts}
        _serve(loading, listener, keys, origins, shown)


def _place(host: str, port: int, key_file: Path | None, effort: str, origins: list[str]) -> tuple[Keys, socket]:
    """The keys and the listening socket: what can be wrong before a model is loaded."""
    try:
        from reflectgen.serve.server import bind
    except ModuleNotFoundError as error:
        raise OptionError(f"Serving needs the package {error.name}: pip install 'reflectgen[serve]'.") from None
    from reflectgen.errors import unknown
    from reflectgen.serve.door import check_origins
    from reflectgen.serve.efforts import EFFORTS
    from reflectgen.serve.keys import Keys

    if effort not in EFFORTS:
        raise unknown("effort", effort, EFFORTS)
    check_origins(origins)
    keys = Keys([]) if key_file is None else Keys.read(key_file)
    return keys, bind(host, port, keys=bool(keys))


def _serve(loading: dict[str, Any], listener: socket, keys: Keys, origins: list[str], shown: dict[str, Any]) -> None:
    """Load the model and serve it until told to stop; `shown` are the other arguments of a `Service`."""
    from reflectgen.commands.live import open_model
    from reflectgen.serve import logs
    from reflectgen.serve.app import application
    from reflectgen.serve.server import Server
    from reflectgen.serve.service import Service

    with open_model(**loading) as model:
        logs.set_up()
        service = Service(model, **shown)
        Server(application(service, keys, origins), service).run([listener])
