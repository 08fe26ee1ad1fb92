"""Steps of finished traces: spans, positions and means worked by hand."""

from __future__ import annotations

import pytest
from engine.rig import CLOSE, DOT, OPEN, A, B, C, grammar

from reflectgen.engine.record import Trace, mean_drawn, read_windows, step_spans, trace_steps

PROMPT = [A, B]
COMPLETION = [OPEN, A, DOT, B, DOT, C, CLOSE, A, DOT]


def test_means_leave_out_what_was_forced() -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    assert mean_drawn(values, (0, 4), []) == 3.75
    assert mean_drawn(values, (0, 4), [(1, 3)]) == 4.5
    assert mean_drawn(values, (1, 3), [(0, 4)]) == 0.0
    assert mean_drawn(values, (2, 2), []) == 0.0


def test_spans_begin_behind_the_opening_tag_and_count_from_the_completion() -> None:
    assert step_spans(grammar(), PROMPT, COMPLETION) == [(1, 3), (3, 5)]
    assert step_spans(grammar(), PROMPT, COMPLETION, [(2, 3)]) == [(1, 5)]
    assert step_spans(grammar(), PROMPT, [OPEN, A, CLOSE]) == [(1, 3)]
    assert step_spans(grammar(), PROMPT, []) == []


def test_the_head_reads_before_or_at_the_step_token() -> None:
    assert read_windows(grammar(offset=-1), PROMPT, COMPLETION) == [(3, 4), (5, 6)]
    assert read_windows(grammar(offset=0), PROMPT, COMPLETION) == [(4, 5), (6, 7)]
    assert read_windows(grammar(offset=-1), PROMPT, [CLOSE]) == [(1, 2)]


def test_a_pooling_head_reads_all_of_a_step_s_states() -> None:
    assert read_windows(grammar(offset=-1, pool="step"), PROMPT, COMPLETION) == [(2, 4), (4, 6)]
    assert read_windows(grammar(offset=0, pool="step"), PROMPT, COMPLETION) == [(3, 5), (5, 7)]
    assert read_windows(grammar(offset=-1, pool="step"), PROMPT, COMPLETION, [(2, 3)]) == [(2, 6)]
    assert read_windows(grammar(offset=-1, pool="step"), PROMPT, [CLOSE]) == [(1, 2)]


def test_a_graded_end_is_one_more_step_that_takes_the_closing_tag() -> None:
    assert step_spans(grammar(grade_end=True), PROMPT, COMPLETION) == [(1, 3), (3, 5), (5, 7)]
    assert read_windows(grammar(grade_end=True), PROMPT, COMPLETION)[-1] == (7, 8)
    assert read_windows(grammar(grade_end=True, pool="step"), PROMPT, COMPLETION)[-1] == (6, 8)
    assert step_spans(grammar(grade_end=True), PROMPT, [A, DOT, CLOSE]) == [(0, 2)]


def test_steps_of_a_trace() -> None:
    numbers = [float(i) for i in range(len(COMPLETION))]
    trace = Trace(prompt=PROMPT, completion=COMPLETION, forced=[(3, 4)], logprobs=numbers, confidences=numbers)
    first, second = trace_steps(grammar(), trace, [0.0, None])
    assert (first.text, first.token_span, first.score, first.logprob) == ("a.\n\n", (1, 3), 0.5, 1.5)
    assert (second.text, second.token_span, second.score, second.confidence) == ("b.\n\n", (3, 5), None, 4.0)
    with pytest.raises(ValueError, match="zip"):
        trace_steps(grammar(), trace, [0.0])
