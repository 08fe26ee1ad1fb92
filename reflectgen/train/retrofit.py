"""Make a model reflective from stored rollouts: features, a head, and a folder with nothing but that head.

Killed at any moment, the same call goes on: states that were read are on disk, and the rest is done again with equal results.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from reflectgen import tasks, zoo
from reflectgen.config import PromptConfig, ReflectiveConfig, RetrofitConfig, RetrofitStage
from reflectgen.errors import InputError
from reflectgen.model.atomic import replace_folder
from reflectgen.model.checkpoint import write_head
from reflectgen.model.head import SPRMHead
from reflectgen.model.shipped import NO_HEAD, open_model
from reflectgen.model.tap import anatomy
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.rollouts import Store
from reflectgen.steps import TokenTable
from reflectgen.train.extract import Extractor
from reflectgen.train.features import Reading, StepFeatures, join
from reflectgen.train.head_only import Fitted, fit, reading_of
from reflectgen.train.loss import named_loss
from reflectgen.train.selection import Figures
from reflectgen.train.spans import prompt_config

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it."""

    problems: tuple[int, int]
    """Problems of the training and of the validation part."""
    head: Fitted
    test: Figures | None
    layers: dict[str, Fitted]
    """Reading -> its best head, where layers were searched."""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "problems": {"training": self.problems[0], "validation": self.problems[1]},
            "head": self.head.config.model_dump(mode="json"),
            "trainings": [asdict(one) for one in self.head.trainings],
            "validation": asdict(self.head.validation),
            "layers": {name: asdict(found.validation) for name, found in self.layers.items()} or None,
            "test": None if self.test is None else asdict(self.test),
        }


def run(work: RetrofitStage, output: Path, progress: Progress = lambda what, done, total: None) -> Report:
    """Train a head as `work` says and write it to `output`, all or nothing.

    Raises `InputError` where a store is missing, of another model or without outcomes, or where `output` has files, or what
    `check_problems` raises;
    `OptionError` for an unknown loss; `ModelError` where the backbone cannot be loaded or lacks what the head reads.
    """
    if output.exists() and (output.is_file() or any(output.iterdir())):
        raise InputError(f"{output} exists already: choose another folder, or delete it to train anew.")
    named_loss(work.loss)
    stores = [Store.open(folder) for folder in work.rollouts]
    test_store = None if work.test is None else Store.open(work.test)
    check_problems(stores, test_store)
    extractor, own = prepare(work, stores[0].header.step_rule)
    parts = [
        extractor.features(store, data=work.data, labels=work.labels, progress=partial(progress, str(store.folder)))
        for store in stores
    ]
    train, validation = join(parts).split(work.validation, work.seed)
    layers = _each_layer(extractor.readings, train, validation, work, progress) if work.search else {}
    head = max(layers.values(), key=_auc_within) if layers else fit(train, validation, work)
    test = None
    if test_store is not None:
        one = replace(extractor, readings=(Reading.of(head.config),))
        test = head.measure(one.features(test_store, data=work.test_data, progress=partial(progress, str(work.test))))
    _write(output, head, stores, own)
    return Report(problems=(len(train.problems), len(validation.problems)), head=head, test=test, layers=layers)


def _auc_within(found: Fitted) -> float:
    known = found.validation.selectors["sprm"].auc_within
    assert known is not None, "a validation part without right and wrong traces of one problem was refused"
    return known.estimate


def check_problems(stores: Sequence[Store], test: Store | None) -> None:
    """Raise `InputError` where stores call two problems by one name, or where a problem of `test` is one to train on.

    One problem makes one prompt under one model and prompt configuration; the name and the prompt together tell it.
    """
    found: dict[tuple[str, ...], int] = {}
    for store in stores:
        made = (store.header.backbone, json.dumps(store.header.prompt, sort_keys=True), store.header.task)
        for name, prompt in store.prompts():
            if found.setdefault((*made, name), prompt) != prompt:
                raise InputError(
                    f"Two problems of the stores to train on have the id '{name}': give them ids of their own and sample anew."
                )
    known = {(task, name, prompt) for (*_, task, name), prompt in found.items()}
    again = [name for name, prompt in test.prompts() if (test.header.task, name, prompt) in known] if test else []
    if again and test:
        raise InputError(
            f"{len(again)} of the problems in {test.folder} are among those to train on, e.g. '{again[0]}': measure on others."
        )


def prepare(work: RetrofitStage, store_rule: str) -> tuple[Extractor, PromptConfig]:
    """The backbone, ready to read, and how its own files ask; `store_rule` is the step rule where the recipe names none."""
    path = zoo.path(work.model) if work.model in zoo.MODELS else Path(work.model).expanduser()
    name = str(path.resolve()) if path.exists() else work.model
    trusted = work.trust_remote_code
    model = open_model(name, head=NO_HEAD, device=work.device, dtype=work.dtype, trust_remote_code=trusted)
    tokenizer = load_tokenizer(name, trust_remote_code=trusted)
    reading = reading_of(work.head)
    extractor = Extractor(
        backbone=model.backbone,
        table=TokenTable(tokenizer),
        readings=every_layer(reading, model.backbone) if work.search else (reading,),
        step_rule=work.head.step_rule or store_rule,
        grade_end=work.head.grade_end,
        name=name,
        off_policy=work.off_policy,
        cache=work.cache,
    )
    return extractor, model.prompt_config(tokenizer)


def every_layer(reading: Reading, backbone: nn.Module) -> tuple[Reading, ...]:
    """`reading` off every block, the first to the last; the last one's states after the final norm, where that is known."""
    parts = anatomy(backbone)
    inner = [replace(reading, layer=layer, norm=False) for layer in range(-len(parts.blocks), -1)]
    return (*inner, replace(reading, layer=-1, norm=parts.norm is not None))


def _each_layer(
    readings: Sequence[Reading], train: StepFeatures, validation: StepFeatures, config: RetrofitConfig, progress: Progress
) -> dict[str, Fitted]:
    """The best head on each of `readings`."""
    found = {}
    for index, reading in enumerate(readings):
        options = config.head.model_copy(update={"layer": reading.layer, "norm": reading.norm})
        found[str(reading)] = fit(train, validation, config.model_copy(update={"head": options}))
        progress("heads", index + 1, len(readings))
    return found


def _write(output: Path, head: Fitted, stores: Sequence[Store], own: PromptConfig) -> None:
    """The head alone; it asks as its rollouts were asked for, less what their tasks said, or as `own` where these differ."""
    asked = [tasks.named(store.header.task).without(prompt_config(store), own) for store in stores]
    prompt = asked[0] if all(one == asked[0] for one in asked) else own
    assert isinstance(head.head, SPRMHead)
    with replace_folder(output, overwrite=False) as scratch:
        write_head(scratch, head.head, ReflectiveConfig(head=head.config, prompt=prompt))
