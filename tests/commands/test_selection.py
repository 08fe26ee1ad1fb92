from dataclasses import replace

from rich.console import Console

from reflectgen.commands import selection
from reflectgen.metrics import Interval
from reflectgen.train.selection import Figures, Row

WIDE = Interval(estimate=-0.5, low=-0.61, high=-0.4)
ROW = Row(
    accuracy=Interval(estimate=0.614, low=0.5, high=1.0),
    minus_logprob=WIDE,
    minus_majority=WIDE,
    auc_pooled=1.0,
    auc_within=Interval(estimate=1.0, low=1.0, high=1.0),
    auc_within_minus_logprob=WIDE,
)
VOTE = Row(
    accuracy=ROW.accuracy,
    minus_logprob=Interval(estimate=0.1, low=-0.02, high=0.2),
    minus_majority=None,
    auc_pooled=None,
    auc_within=None,
    auc_within_minus_logprob=None,
)
FIGURES = Figures(
    problems=12,
    mixed=9,
    traces=40,
    samples=(3, 4),
    unfinished=0.125,
    pass_at_1=ROW.accuracy,
    oracle=ROW.accuracy,
    selectors={"sprm": ROW, "weighted:blend": VOTE},
)


def test_a_table_of_selectors_fits_80_columns() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(selection.selectors(FIGURES))
    lines = [line.split() for line in capture.get().splitlines()]
    assert [line[0] for line in lines] == ["chosen", "pass@1", "sprm", "weighted:blend", "oracle"]
    assert " ".join(lines[2]) == "sprm 61 [50, 100] -50 [-61, -40] -50 [-61, -40] 100.0 100 [100, 100]"
    assert " ".join(lines[3]) == "weighted:blend 61 [50, 100] +10 [-2, 20]"


def test_a_summary_tells_what_was_measured() -> None:
    told = selection.summary(FIGURES)
    assert told == "12 problems x 3 to 4 traces, 9 with right and wrong ones, 12.5% of the traces cut off."


def test_gains_over_log_probs_are_told() -> None:
    figures = replace(FIGURES, selectors={"sprm": ROW, "blend": ROW})
    assert selection.gains(figures) == "AUC within, less that of log-prob: sprm -50 [-61, -40], blend -50 [-61, -40]."
