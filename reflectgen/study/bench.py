"""The traces of a study and their features: every cut of every store is read once, for all rows that need it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from random import Random

from reflectgen.config import StudyConfig
from reflectgen.errors import InputError, ModelError
from reflectgen.rollouts import Rollout, Store
from reflectgen.study.backbones import Backbone, open_backbone
from reflectgen.study.transcode import same_vocabulary, transcode
from reflectgen.study.variants import Cut, Variant
from reflectgen.train.extract import Extractor
from reflectgen.train.features import Reading, StepFeatures, join
from reflectgen.train.spans import Prompts

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The traces that one row learns from: of problems that are trained on, and of others that stop and calibrate it."""

    train: StepFeatures
    validation: StepFeatures


@dataclass(kw_only=True)
class Bench:
    """What all rows share: backbones, stores, and features as far as they were asked for."""

    config: StudyConfig
    policy: Backbone
    folder: Path
    """For traces in other vocabularies."""
    device: str = "auto"
    dtype: str = "auto"
    progress: Progress = lambda what, done, total: None
    needs: dict[Cut, set[Reading]] = field(default_factory=dict)
    """The readings that are made when a cut is first asked for."""
    _features: dict[tuple[Cut, Path, str | None], StepFeatures] = field(default_factory=dict)
    _backbones: dict[str, Backbone] = field(default_factory=dict)
    _stores: dict[tuple[Path, str], Store] = field(default_factory=dict)

    def plan(self, variants: Iterable[Variant]) -> None:
        """Note what these rows will read, so that one pass of the backbone reads it all."""
        for variant in variants:
            self.needs.setdefault(variant.cut, set()).add(variant.reading)

    # -- features --------------------------------------------------------------------------------------------------

    def parts(self, variant: Variant) -> Parts:
        """Training and validation part of a row: the validation part does not depend on the row's share of the data."""
        features = join([self._read(variant, store, self.config.data, variant.labels) for store in variant.stores])
        train, validation = features.split(variant.config.validation, variant.config.seed)
        return Parts(_share(train, variant.share, variant.config.seed), validation)

    def test(self, variant: Variant, labels: str | None = None) -> StepFeatures:
        """The test traces, as a row reads them."""
        return self._read(variant, self.test_store.folder, self.config.test_data, labels)

    def _read(self, variant: Variant, folder: Path, data: Sequence[Path], labels: str | None) -> StepFeatures:
        key = (variant.cut, folder, labels)
        found = self._features.get(key)
        if found is None or variant.reading not in found.states:
            self.needs.setdefault(variant.cut, set()).add(variant.reading)
            found = self._features[key] = self._extract(variant.cut, folder, data, labels)
        return found

    def _extract(self, cut: Cut, folder: Path, data: Sequence[Path], labels: str | None) -> StepFeatures:
        reader = self.backbone(cut.reader)
        extractor = Extractor(
            backbone=reader.model,
            table=reader.table,
            readings=tuple(sorted(self.needs[cut], key=str)),
            step_rule=cut.step_rule,
            grade_end=cut.grade_end,
            name=reader.name,
            off_policy=True,
        )
        store = self.store(folder, cut.reader)
        what = f"states of {store.folder.name}"
        return extractor.features(store, data=data, labels=labels, progress=lambda *done: self.progress(what, *done))

    # -- what they are made of ---------------------------------------------------------------------------------------

    @cached_property
    def test_store(self) -> Store:
        """The store that every row is measured on."""
        if self.config.test is None:
            raise InputError("A study measures on traces of problems that nothing is trained on: give it a store with --test.")
        return Store.open(self.config.test)

    def store(self, folder: Path, reader: str = "") -> Store:
        """The traces in `folder`, in the vocabulary of the backbone called `reader`."""
        key = (folder, reader)
        if key not in self._stores:
            self._stores[key] = self._encoded(Store.open(folder), self.backbone(reader))
        return self._stores[key]

    def _encoded(self, store: Store, reader: Backbone) -> Store:
        if reader is self.policy or same_vocabulary(self.policy.table, reader.table):
            return store
        return transcode(store, self.policy.table, reader, self.folder / f"{store.folder.name}-{reader.fingerprint}")

    def backbone(self, name: str) -> Backbone:
        """The backbone called `name`, the policy's own where that is empty."""
        if not name:
            return self.policy
        if name not in self._backbones:
            self._backbones[name] = open_backbone(name, device=self.device, dtype=self.dtype)
        return self._backbones[name]

    def graded_backbone(self, name: str) -> Backbone:
        """The trained model called `name`; raises `ModelError` where it has no head."""
        found = self.backbone(name)
        if found.head is None:
            raise ModelError(f"{name} has no SPRM head, so it grades nothing: name a head or a model that has one.")
        return found

    def rollouts(self, folder: Path, reader: str = "") -> list[Rollout]:
        """The traces in `folder` that did not fail."""
        return [rollout for rollout in self.store(folder, reader).rollouts if rollout.finish != "failed"]

    def prompts(self, folder: Path, reader: str = "") -> Prompts:
        """Finds the prompts of the traces in `folder`."""
        data = self.config.test_data if folder == self.config.test else self.config.data
        return Prompts(self.store(folder, reader), self.backbone(reader).table.tokenizer, data)

    def reread(self, reader: str) -> int:
        """Tokens of the test traces that a backbone other than the policy reads again: each prompt once, all completions."""
        prompts, rollouts = self.prompts(self.test_store.folder, reader), self.rollouts(self.test_store.folder, reader)
        asked = {rollout.prompt_hash: len(prompts.of(rollout)) for rollout in rollouts}
        return sum(asked.values()) + sum(len(rollout.token_ids) for rollout in rollouts)


def digest(folders: Sequence[Path], labels: str | None = None) -> str:
    """Of the shards of stores, and of one labelling: what they hold, whatever they are called."""
    found = blake2b(digest_size=10)
    for folder in folders:
        given = [folder / f"labels-{labels}.parquet"] if labels else []
        for path in (*Store.open(folder).shards, *given):
            found.update(path.read_bytes())
    return found.hexdigest()


def _share(features: StepFeatures, share: float, seed: int) -> StepFeatures:
    """A share of the problems, drawn with `seed`; a smaller share lies within a larger one."""
    if share == 1:
        return features
    order = sorted(range(len(features.problems)), key=lambda index: features.problems[index])
    Random(seed).shuffle(order)
    return features.of_problems(order[: max(1, round(share * len(order)))])
