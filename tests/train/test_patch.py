"""Which states the head reads in a padded batch, by hand."""

import torch

from reflectgen.train.patch import Reads, mark


def test_marks_name_the_step_that_reads_each_state() -> None:
    """Two traces of up to three tokens; column 0 is the prompt's last token."""
    marks = mark([[(1, 2), (3, 4)], [(0, 2)]], 3)
    assert marks.tolist() == [[-1, 0, -1, 1], [0, 0, -1, -1]]


def test_reads_are_positions_in_the_padded_batch() -> None:
    reads = Reads.of(mark([[(1, 2), (3, 4)], [(0, 2)]], 3), prompt=5)
    assert reads.row.tolist() == [0, 0, 1, 1]
    assert reads.position.tolist() == [5, 7, 4, 5]
    assert reads.step.tolist() == [0, 1, 2, 2]
    assert reads.trace.tolist() == [0, 0, 1]


def test_a_step_of_several_states_is_read_as_their_mean() -> None:
    features = torch.arange(16.0).view(2, 8, 1)
    reads = Reads.of(mark([[(1, 2), (3, 4)], [(0, 2)]], 3), prompt=5)
    assert reads.gather(features).squeeze(1).tolist() == [5.0, 7.0, (12 + 13) / 2]


def test_a_step_of_one_state_is_read_as_it_is() -> None:
    features = torch.arange(16.0, dtype=torch.bfloat16).view(2, 8, 1)
    read = Reads.of(mark([[(2, 3)], []], 3), prompt=5).gather(features)
    assert read.tolist() == [[6.0]]
    assert read.dtype == torch.bfloat16


def test_traces_without_steps_are_read_nowhere() -> None:
    reads = Reads.of(mark([[], []], 3), prompt=5)
    assert [len(part) for part in (reads.row, reads.position, reads.step, reads.trace)] == [0, 0, 0, 0]


def test_consecutive_traces_with_equal_step_numbers_stay_apart() -> None:
    reads = Reads.of(mark([[(0, 1)], [(0, 1)]], 1), prompt=1)
    assert reads.trace.tolist() == [0, 1]
