"""What the sources of labels need, from what a user asked for; and what a person sees meanwhile and afterwards."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from reflectgen import prompts, tasks
from reflectgen.commands.keeping import keeping
from reflectgen.commands.live import open_model
from reflectgen.commands.progress import progress
from reflectgen.config import PromptConfig, Sampling
from reflectgen.errors import InputError, OptionError, unknown
from reflectgen.load import locate
from reflectgen.rollouts import Rollout, Store, check_label_name
from reflectgen.steps import TokenTable
from reflectgen.train import labels as sources
from reflectgen.train.labels.endpoint import Endpoint

KEY_VARIABLE = "REFLECTGEN_JUDGE_KEY"
"""Environment variable with the judge's key. A name of our own, so that no other service's key is sent anywhere unasked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What labels are asked for, of which store."""

    store: Store
    name: str
    """What they will be called."""
    options: Mapping[str, Any]
    """Options that were given."""

    @property
    def model(self) -> str:
        """The model whose vocabulary the traces are in."""
        return str(self.options.get("model", self.store.header.model))

    @property
    def prompt(self) -> PromptConfig:
        """How problems became prompts."""
        return PromptConfig.parse(dict(self.store.header.prompt), str(self.store.folder))

    @property
    def task(self) -> tasks.Task:
        """The store's task."""
        return tasks.named(self.store.header.task)

    @property
    def groups(self) -> list[list[Rollout]]:
        """The traces of each problem that is labelled."""
        return list(self.store.problems().values())[: self.options.get("limit")]

    def problems(self, encode: Callable[[str], Sequence[int]]) -> sources.Problems:
        """The problems behind the traces."""
        return sources.Problems(self.store, encode, self.options.get("data", ()))


@dataclass(frozen=True, slots=True)
class Source:
    """One source of labels for the command line."""

    make: Callable[[Order], sources.Unit]
    takes: frozenset[str] = frozenset()
    """Options that mean something to it."""


def label_store(folder: Path, source: str, name: str, options: Mapping[str, Any], *, as_json: bool) -> None:
    """Make the labels `name` of the store in `folder` and say what they come to.

    Raises `OptionError` for an unknown source, an option that is none of its or a name that is none, and `InputError` where
    there are labels of that name.
    """
    if source not in SOURCES:
        raise unknown("source", source, SOURCES)
    for option in options.keys() - SOURCES[source].takes:
        raise OptionError(f"--{option.replace('_', '-')} means nothing to the source {source}: leave it out.")
    store = Store.open(folder)
    check_label_name(name)
    if name in store.label_names:
        raise InputError(f"The store {folder} has labels '{name}' already: give another --name, or delete them.")
    made = SOURCES[source].make(Order(store=store, name=name, options=options))
    blank = {rollout.key: sources.unlabelled(rollout) for rollout in store.rollouts}
    path = sources.finish(store, name, {**blank, **made.labels})
    _report(path, sources.summarise(store.rollouts, {**blank, **made.labels}), made.tokens, as_json=as_json)


# -- the sources -------------------------------------------------------------------------------------------------------


def _outcome(order: Order) -> sources.Unit:
    return sources.Unit(sources.outcome(order.store.rollouts))


def _oracle(order: Order) -> sources.Unit:
    table, encode = _vocabulary(order)
    return sources.Unit(sources.oracle(order.store.rollouts, order.task, order.problems(encode), table.decode))


def _monte_carlo(order: Order) -> sources.Unit:
    header, options = order.store.header, order.options
    settings = {name: options.get(name, default) for name, default in (("n", 8), ("hard", False), ("seed", 0))}
    defaults = {"engine": "local", "device": "auto", "dtype": "auto", "kv_budget": None}
    loading = {name: options.get(name, default) for name, default in defaults.items()}
    order.task.ready()
    with open_model(model=order.model, head="none", step_rule=header.step_rule, prompt=order.prompt, **loading) as model:
        work = sources.MonteCarlo(
            engine=model.engine,
            task=order.task,
            problems=order.problems(model.encode),
            sampling=Sampling.parse(dict(header.sampling), str(order.store.folder)),
            **settings,
        )
        settings = {"source": "monte_carlo", "model": model.identity.backbone, "dtype": model.identity.dtype, **settings}
        return _collect(order, settings, order.groups, work)


def _judge(order: Order) -> sources.Unit:
    options = order.options
    for option in ("base_url", "judge_model"):
        if option not in options:
            raise OptionError(f"The source judge needs --{option.replace('_', '-')}: name the endpoint and its model.")
    key = os.environ.get(options.get("key_variable", KEY_VARIABLE), "")
    if "key_variable" in options and not key:
        raise OptionError(f"The environment variable {options['key_variable']} is empty: put the judge's key there.")
    endpoint = Endpoint(base_url=options["base_url"], model=options["judge_model"], key=key)
    table, encode = _vocabulary(order)
    problems = order.problems(encode)

    def work(groups: Sequence[Sequence[Rollout]]) -> Iterator[sources.Unit]:
        return sources.judge(
            groups,
            endpoint=endpoint,
            text=lambda rollout: rollout.problem or problems.of(rollout).text,
            decode=table.decode,
            concurrency=options.get("concurrency", 8),
        )

    settings = {"source": "judge", "base_url": endpoint.base_url, "judge_model": endpoint.model}
    return _collect(order, settings, [[rollout] for group in order.groups for rollout in group], work)


def _consensus(order: Order) -> sources.Unit:
    names = order.options.get("of", ["monte_carlo", "judge"])
    if len(names) != 2:
        raise OptionError("A consensus is of two labellings: give --of twice.")
    first, second = (order.store.labels(name) for name in names)
    return sources.Unit(sources.consensus(first, second))


SOURCES: dict[str, Source] = {
    "outcome": Source(_outcome),
    "oracle": Source(_oracle, frozenset({"model", "data"})),
    "monte_carlo": Source(
        _monte_carlo,
        frozenset({"model", "data", "limit", "n", "hard", "seed", "engine", "device", "dtype", "kv_budget"}),
    ),
    "judge": Source(_judge, frozenset({"model", "data", "limit", "base_url", "judge_model", "key_variable", "concurrency"})),
    "consensus": Source(_consensus, frozenset({"of"})),
}
"""Name -> source."""


def _vocabulary(order: Order) -> tuple[TokenTable, Callable[[str], Sequence[int]]]:
    """Of the model that wrote the traces: its tokens, and how it encodes a problem's prompt."""
    from reflectgen.model.tokenizer import load_tokenizer

    tokenizer, prompt = load_tokenizer(locate(order.model)), order.prompt
    return TokenTable(tokenizer), lambda problem: prompts.encode(problem, prompt, tokenizer)


def _collect(
    order: Order, settings: Mapping[str, Any], groups: Sequence[Sequence[Rollout]], work: sources.Work
) -> sources.Unit:
    """All units as one, under a progress bar."""
    made, tokens = {}, 0
    with keeping(lambda: f"what was labelled so far is kept in {order.store.folder}"), progress(len(groups)) as show:
        for done, unit in enumerate(sources.resumed(order.store, order.name, settings, groups, work), start=1):
            made.update(unit.labels)
            tokens += unit.tokens
            show(done, f"{tokens:,} tokens")
    return sources.Unit(made, tokens)


# -- what is said ------------------------------------------------------------------------------------------------------


def _report(path: Path, summary: sources.Summary, tokens: int, *, as_json: bool) -> None:
    if as_json:
        numbers = {name: None if math.isnan(value) else value for name, value in asdict(summary).items()}
        typer.echo(json.dumps({"labels": str(path), **numbers, "tokens": tokens}))
        return
    parts = [f"mean label {summary.mean:.3f}", f"agreement with the outcome {summary.agreement:.1%}"]
    if summary.labelled < summary.steps:
        parts.append(f"{summary.steps - summary.labelled:,} steps without a label")
    if tokens:
        parts.append(f"{tokens:,} tokens")
    typer.echo(f"{summary.labelled:,} steps of {summary.traces:,} traces are labelled in {path}: {', '.join(parts)}.")
