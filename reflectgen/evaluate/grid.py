"""The grid of an evaluation: every strategy with every selector, k or budget, and seed, on the same problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from reflectgen import search
from reflectgen.errors import InputError, OptionError
from reflectgen.evaluate.cells import Cell, Contender
from reflectgen.reflector import Options, Reflector, check
from reflectgen.tasks import Task
from reflectgen.types import Problem

ON_THE_MODEL = {"pruned": ("memory",)}
"""Of strategies that can be replayed, the rules that look at the engine's memory."""
ALIKE = ("best_of_n", "budget", "esc")
"""Strategies that do the same whatever the selector is, until they choose; under a budget the selector says who answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What is run."""

    task: Task
    problems: Sequence[Problem]
    contenders: Sequence[Contender]
    selects: Sequence[str] = ()
    """Selectors; where there are none, each strategy's own, else sprm where the model has a head, else majority."""
    ks: Sequence[int] = (2, 8, 32)
    """Thinkings of a problem, at most."""
    budgets: Sequence[int] = ()
    """Most tokens of a problem; where there are some, every k runs under each."""
    seeds: Sequence[int] = (0,)
    sampling: Options = field(default_factory=lambda: Options())
    """Of the options of `Reflector.solve`, those that say how tokens are drawn; the model's own where empty."""
    live: bool = False
    """Whether everything runs on the model, and seconds are measured."""

    def __post_init__(self) -> None:
        if not self.problems:
            raise InputError(f"The task '{self.task.name}' gave no problems: there is nothing to run.")
        if len({problem.id for problem in self.problems}) < len(self.problems):
            raise InputError(f"Two problems of the task '{self.task.name}' have one id: each needs its own.")
        for what, values in (("strategy", self.contenders), ("k", self.ks), ("seed", self.seeds)):
            if not values:
                raise OptionError(f"No {what} is given: name at least one.")
        for contender, k, budget, select in self._kinds:
            check(self.options(contender, k, budget, select))

    def options(self, contender: Contender, k: int, budget: int | None, select: str | None, seed: int = 0) -> Options:
        """How the model is to solve a problem."""
        how = Options(
            strategy=contender.strategy, settings=contender.settings, k=k, budget=budget, select=select, seed=seed
        )  # fmt: skip
        return Options(**{**self.sampling, **how, "extract": self.task.extract})

    def cells(self, model: Reflector) -> list[Cell]:
        """All cells, each once; raises what `Reflector.request` raises where an option does not fit the model."""
        found: dict[str, Cell] = {}
        for contender, k, budget, select in self._kinds:
            chosen_by = model.request(self.problems[0], **self.options(contender, k, budget, select)).select
            replays = self._replays(contender, budget)
            for seed in self.seeds:
                cell = Cell(contender=contender, select=chosen_by, k=k, budget=budget, seed=seed, replayed=replays)
                found[cell.file] = cell
        return list(found.values())

    @property
    def _kinds(self) -> list[tuple[Contender, int, int | None, str | None]]:
        """Contender, k, budget and selector of all cells; None for no budget, and for the selector that is the default."""
        sizes = list(product(self.ks, self.budgets or (None,)))
        return [(one, *size, select) for one in self.contenders for size in sizes for select in self.selects or (None,)]

    def _replays(self, contender: Contender, budget: int | None) -> bool:
        """Whether its thinkings come out of a store."""
        rule = contender.settings.get("rule")
        replayable = contender.strategy in search.REPLAYED and rule not in ON_THE_MODEL.get(contender.strategy, ())
        return replayable and budget is None and not self.live


def runs(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells, those together that one run gives: they differ in the selector alone."""
    found: dict[tuple[str, int, int | None, int, str], list[Cell]] = {}
    for cell in cells:
        select = "" if cell.contender.strategy in ALIKE and cell.budget is None else cell.select
        found.setdefault((cell.contender.key, cell.k, cell.budget, cell.seed, select), []).append(cell)
    return list(found.values())
