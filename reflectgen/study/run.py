"""Run a study: every row that is not in its log yet is trained and graded, and all rows become one table.

A row's grades are one line of the log, written when it is done, under a key made of all that they depend on: the row's
configuration, the contents of the stores, and the fingerprints of backbones and heads. So a study that was killed goes on,
one with more sections computes only those, and a changed store is never mixed with another's rows. Figures are made anew
from the grades each time.

In the output folder: `rows.jsonl` (the log), `study.md` and `study.json` (the table).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from reflectgen.config import StudyConfig
from reflectgen.errors import InputError, ReflectgenError
from reflectgen.model.atomic import replace_file
from reflectgen.model.shipped import NO_HEAD
from reflectgen.rollouts import Store
from reflectgen.rows import Log, read_log
from reflectgen.study.backbones import Backbone, open_backbone
from reflectgen.study.bench import Bench, Progress, digest
from reflectgen.study.bootstrap import Bootstrap
from reflectgen.study.figures import Yardstick
from reflectgen.study.finished import settled, stamp
from reflectgen.study.grades import Examiner, Grades
from reflectgen.study.oracle import Oracle
from reflectgen.study.report import BASELINE, REFERENCES, LeftOut, Table, TableRow, markdown
from reflectgen.study.sections import Setting, variants
from reflectgen.study.stores import check_policy, judge_steps, open_stores
from reflectgen.study.variants import Variant

ROWS = "rows.jsonl"
MARKDOWN, JSON = "study.md", "study.json"
"""Names of the files in the output folder."""


def run(
    config: StudyConfig,
    output: Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    progress: Progress = lambda what, done, total: None,
) -> Table:
    """Do what is left of the study in `output` and write its table there.

    A row that cannot be made, such as one for which the data do not suffice, is left out with its reason; an error of the
    baseline ends the study. Raises `InputError` for stores that are missing or another model's, `OptionError` for an unknown
    section, and `ModelError` for a model or a head that cannot be loaded.
    """
    training, test = open_stores(config)
    policy = open_backbone(config.model, head=NO_HEAD, device=device, dtype=dtype)
    check_policy([*training, test], policy)
    for store, data in (*((store, config.data) for store in training), (test, config.test_data)):
        judge_steps(store, policy, data)
    output.mkdir(parents=True, exist_ok=True)
    bench = Bench(config=config, policy=policy, folder=output, device=device, dtype=dtype, progress=progress)
    rows = [settled(bench, row) if row.finished else row for row in variants(_setting(config, policy, training))]
    table = Work(bench, training, test, rows).table(output / ROWS)
    _write(output / MARKDOWN, markdown(table))
    _write(output / JSON, json.dumps(table.plain(), indent=1, ensure_ascii=False) + "\n")
    return table


def _setting(config: StudyConfig, policy: Backbone, training: list[Store]) -> Setting:
    common = set.intersection(*(set(store.label_names) for store in training))
    return Setting(
        config=config,
        blocks=policy.blocks,
        width=policy.width,
        normed=policy.normed,
        rule=training[0].header.step_rule,
        rules=policy.rules,
        labels=tuple(sorted(common - {"outcome"})),
    )


@dataclass(frozen=True)
class Work:
    """The rows of a study, and what they are made from."""

    bench: Bench
    training: list[Store]
    test: Store
    rows: list[Variant]
    """The baseline first."""

    def table(self, log: Path) -> Table:
        """The table of all rows, those that `log` lacks computed and added to it."""
        known = read_rows(log) if log.exists() else {}
        keys = [self.key(row) for row in self.rows]
        self.bench.plan(row for row, key in zip(self.rows, keys, strict=True) if key not in known)
        made, left_out = list[TableRow](), list[LeftOut]()
        with Log(log) as file:
            for done, (row, key) in enumerate(zip(self.rows, keys, strict=True)):
                self.bench.progress("rows", done, len(self.rows))
                try:
                    if key not in known:
                        known[key] = self._examiner.grades(row)
                        file.write({"key": key, "section": row.section, "name": row.name, **known[key].encode()})
                    made.append(self._measured(row, known[key]))
                except ReflectgenError as error:
                    if row.section == BASELINE:
                        raise
                    left_out.append(LeftOut(section=row.section, name=row.name, reason=str(error)))
        self.bench.progress("rows", len(self.rows), len(self.rows))
        return Table(about=self._about(), rows=[*self._references(), *made], left_out=left_out)

    def key(self, row: Variant) -> str:
        """What tells a row's grades from all others."""
        made = [
            row.identity(),
            self._digest(row.stores, row.labels),
            self._digest((self.test.folder,)),
            self.bench.policy.fingerprint,
            stamp(self.bench, row),
        ]
        return blake2b(json.dumps(made, sort_keys=True).encode(), digest_size=12).hexdigest()

    @cached_property
    def _digest(self) -> Callable[..., str]:
        """`digest`, once for each set of stores."""
        return cache(digest)

    @cached_property
    def _oracle(self) -> Oracle | None:
        return Oracle.of([self.test])

    @cached_property
    def _examiner(self) -> Examiner:
        taught = Oracle.of(self.training)
        return Examiner(bench=self.bench, oracles=(taught, self._oracle) if taught and self._oracle else None)

    @cached_property
    def _yardstick(self) -> Yardstick:
        """The test traces, as the baseline cuts them."""
        test, config = self.bench.test(self.rows[0]), self.bench.config
        return Yardstick(test, Bootstrap(len(test.problems), seed=config.seed, resamples=config.resamples), self._oracle)

    def _measured(self, row: Variant, grades: Grades) -> TableRow:
        measured = self._yardstick.graded(grades)
        return TableRow(section=row.section, name=row.name, measured=measured, facts=grades.facts)

    def _references(self) -> list[TableRow]:
        found = self._yardstick.references().items()
        return [TableRow(section=REFERENCES, name=name, measured=measured, facts={}) for name, measured in found]

    def _about(self) -> dict[str, Any]:
        test, config = self._yardstick.test, self.bench.config
        sizes = [len(rows) for rows in test.rows]
        return {
            "model": config.model,
            "training": ", ".join(f"{store.folder.name} ({len(store.problems())} problems)" for store in self.training),
            "test": self.test.folder.name,
            "problems": len(test.problems),
            "mixed_problems": len(test.mixed),
            "k": sizes[0] if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}",
            "quartiles_of_length": self._yardstick.edges.tolist(),
            "resamples": config.resamples,
        }


def read_rows(log: Path) -> dict[str, Grades]:
    """Key -> grades, from the log of a study; raises `InputError` where it is none."""
    found = {}
    for row in read_log(log):
        try:
            found[row.text("key")] = Grades.decode(row.values)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise row.fault("this is no row of a study: give another --output, or remove the file.") from None
    return found


def _write(path: Path, text: str) -> None:
    with replace_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8")
