"""What a store comes to, as blocks of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reflectgen.evaluate.examples import COMPACT, Example
from reflectgen.evaluate.offline import Row
from reflectgen.evaluate.pages import pictures
from reflectgen.evaluate.pages.document import Block, Heading, Listing, Notes, Paragraph, Table
from reflectgen.evaluate.pages.numbers import count, decimal, percent, seconds
from reflectgen.evaluate.stored import Stored
from reflectgen.evaluate.traces import Spent
from reflectgen.evaluate.ways import Way
from reflectgen.evaluate.worth import PLACES, Worth
from reflectgen.metrics import Interval

SPENT = ("tokens", "scored", "prefilled", "passes", "seconds")
"""Headings of what a row cost: tokens generated, tokens that a second model read, tokens fed, forward passes, seconds."""
LONGEST = 4_000
"""Characters of an example that are shown."""
OVERVIEW = ("logprob", "majority", "sprm", "weighted")
"""Selectors of the first table."""


def overview(stores: Sequence[Stored]) -> Table:
    """One line a store, at its largest k."""
    header = ["task", "model", "problems", "k", *SPENT, "one trace", *OVERVIEW, "any right"]
    return Table(header, [_overview(stored) for stored in stores], names=2)


def _overview(stored: Stored) -> list[str]:
    offline, k = stored.offline, stored.offline.ks[-1]
    found = offline.estimates[k]
    ways = [percent(offline.row(Way(name), k).accuracy) if Way(name) in found else "" for name in OVERVIEW]
    about = [stored.run["task"], stored.run["model"], f"{len(offline.traces.problems):,}", str(k)]
    return [*about, *_spent(offline.spent(k)), percent(offline.pass_at_1), *ways, percent(offline.any_right(k))]


def blocks(stored: Stored, *, drawn: bool) -> Iterator[Block]:
    """The section of a store; with pictures where they are `drawn`."""
    yield Heading(2, stored.title)
    yield _about(stored)
    if stored.notes:
        yield Notes(stored.notes)
    yield Heading(3, "Right answers")
    yield Paragraph(
        "In percent with 95 % intervals over problems, expected over all sets of k traces. Differences are paired by problem. "
        "Costs are means over problems; those that a store keeps of all traces together are told at the largest k alone."
    )
    yield _answers(stored)
    if drawn and (picture := pictures.curves(stored)):
        yield picture
    if others := [row for row in stored.rows if row.way.aggregate]:
        yield Heading(3, "Other aggregates of the step scores")
        yield Table(_header(), [_row(row) for row in others], names=2)
    yield from _worth(stored, drawn=drawn)
    yield Heading(3, "Examples")
    yield from _examples(stored)


def _about(stored: Stored) -> Table:
    traces, run = stored.offline.traces, stored.run
    facts = {
        "folder": str(stored.folder),
        "backbone": run["backbone"],
        "head": run["head"] or "none",
        "engine": " ".join(filter(None, (run["engine"], run["dtype"]))),
        "step rule": run["step_rule"],
        "sampling": ", ".join(f"{name} {value}" for name, value in run["sampling"].items()),
        "cut off at the token limit": f"{traces.unfinished.mean():.1%}",
        "tokens of a trace": f"{traces.generated.mean():,.1f}",
    }
    return Table(["", ""], [[name, value] for name, value in facts.items()], names=2)


# -- right answers -----------------------------------------------------------------------------------------------------


def _header() -> list[str]:
    return ["chosen by", "k", "right", "- one trace", "- majority", *SPENT]


def _answers(stored: Stored) -> Table:
    """The ways of the stored score at every k, between one trace and the best that there is."""
    offline = stored.offline
    rows = [_line("one trace", 1, offline.pass_at_1, offline.spent(1))]
    for k in offline.ks:
        rows += [_row(row) for row in stored.rows if row.k == k and k > 1 and not row.way.aggregate]
        if k > 1:
            rows.append(_line("any right", k, offline.any_right(k), offline.spent(k)))
    return Table(_header(), rows, names=2)


def _row(row: Row) -> list[str]:
    return _line(str(row.way), row.k, row.accuracy, row.spent, row.minus_pass_at_1, row.minus_majority)


def _line(
    name: str, k: int, right: Interval, spent: Spent, minus_one: Interval | None = None, minus_vote: Interval | None = None
) -> list[str]:
    return [name, str(k), percent(right), percent(minus_one, signed=True), percent(minus_vote, signed=True), *_spent(spent)]


def _spent(spent: Spent) -> list[str]:
    counts = (spent.tokens_generated, spent.tokens_scored, spent.tokens_prefilled, spent.forward_passes)
    return [*map(count, counts), seconds(spent.seconds)]


# -- scores ------------------------------------------------------------------------------------------------------------


def _worth(stored: Stored, *, drawn: bool) -> Iterator[Block]:
    worth = stored.worth
    yield Heading(3, "What values are worth")
    yield Paragraph(
        f"AUC, in percent: the chance that a right trace has a larger value than a wrong one, over all traces, and within the "
        f"{worth.mixed:,} problems that have both."
    )
    yield Table(
        ["value", "AUC", "AUC within"],
        [[str(one.way), percent(one.pooled), percent(one.within)] for one in worth.ranks],
    )
    if worth.error is not None:
        yield from _scores(worth, drawn=drawn)


def _scores(worth: Worth, *, drawn: bool) -> Iterator[Block]:
    brier = worth.brier
    told = "" if brier is None else f"{brier.estimate:.3f} [{brier.low:.3f}, {brier.high:.3f}]"
    yield Paragraph(
        f"Trajectory scores as probabilities of being right: Brier score {told}, expected calibration error "
        f"{decimal(worth.error)} over {len(worth.bins)} bins of equal mass."
    )
    if drawn:
        yield pictures.scores(worth)
    yield Table(
        ["mean score", "right", "traces", "problems"],
        [[decimal(one.score), percent(one.right), f"{one.samples:,}", f"{one.problems:,}"] for one in worth.bins],
        names=0,
    )
    yield Paragraph("Mean step score by place in the trace, in percent:")
    yield Table(
        ["place", "right traces", "wrong traces"],
        [[f"{one.start:.1f} to {one.start + 1 / PLACES:.1f}", percent(one.right), percent(one.wrong)] for one in worth.along],
    )


# -- examples ----------------------------------------------------------------------------------------------------------


def _examples(stored: Stored) -> Iterator[Block]:
    if not stored.examples:
        yield Paragraph(COMPACT)
    for example in stored.examples:
        yield Heading(4, example.title)
        yield Table(["", ""], _facts(example), names=2)
        yield Listing(_shown(example.problem))
        yield Listing(_shown(example.text))


def _facts(example: Example) -> list[list[str]]:
    scores = " ".join("-" if score is None else f"{score:.2f}" for score in example.steps)
    return [
        ["problem", example.problem_id],
        ["answer", "-" if example.answer is None else _shown(example.answer, 200)],
        ["outcome", "right" if example.correct else "wrong"],
        ["value", decimal(example.value)],
        ["step scores", scores],
    ]


def _shown(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[:longest]} [and {len(text) - longest:,} more characters]"
