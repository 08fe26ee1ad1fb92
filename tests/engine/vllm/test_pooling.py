"""Steps inside vLLM, by batches that are told as vLLM tells them: whose rows are summed, and what is replayed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from reflectgen.engine.vllm.heads import POOLS, REPLAY

vllm = pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")
torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


def pools() -> Any:
    from reflectgen.engine.vllm.pooling import Pools

    config = SimpleNamespace()
    made = Pools(config, torch.device("cpu"), False)
    assert getattr(config, POOLS) is made
    return made


def request(*replay: int) -> Any:
    return vllm.SamplingParams(extra_args={REPLAY: list(replay)})


def update(*, added: Any = (), removed: Any = (), moved: Any = ()) -> Any:
    from vllm.v1.sample.logits_processor import BatchUpdate

    return BatchUpdate(batch_size=0, removed=removed, added=added, moved=moved)


def passed(made: Any, change: Any, *rows: float) -> list[float]:
    """What the head reads in a pass whose rows have states of width one."""
    made.update_state(change)
    return [float(mean) for mean in made.means(torch.tensor([[row] for row in rows], dtype=torch.bfloat16))]


def test_a_step_is_the_mean_of_its_rows_and_other_rows_are_themselves() -> None:
    made, drawn = pools(), [[], []]
    added = [(0, request(), [5], drawn[0]), (1, vllm.SamplingParams(), [5], drawn[1])]
    assert passed(made, update(added=added), 1.0, 1.0) == [1.0, 1.0]
    drawn[0].append(7)
    assert passed(made, None, 2.0, 2.0) == [1.5, 2.0]
    drawn[0].append(7)
    assert passed(made, None, 6.0, 6.0) == [3.0, 6.0]


def test_a_row_that_no_token_is_drawn_from_is_replaced_by_the_next_one() -> None:
    made, drawn = pools(), []
    assert passed(made, update(added=[(0, request(), [5, 6], drawn)]), 100.0) == [100.0]  # a chunk of the prompt
    assert passed(made, None, 4.0) == [4.0]
    drawn.append(7)
    assert passed(made, None, 8.0) == [6.0]


def test_a_preempted_request_goes_on_where_it_was_whatever_its_prefill_gives() -> None:
    made, drawn, params = pools(), [], request()
    passed(made, update(added=[(0, params, [5], drawn)]), 1.0)
    drawn.append(7)
    passed(made, None, 3.0)
    drawn.append(7)
    passed(made, update(removed=[0]))
    again = list(drawn)
    assert made.steps == {}
    passed(made, update(added=[(0, params, [5], again)]), 50.0)
    assert passed(made, None, 5.0) == [3.0]


def test_rows_that_move_take_their_steps_along() -> None:
    from vllm.v1.sample.logits_processor import MoveDirectionality

    made, drawn = pools(), [[], []]
    passed(made, update(added=[(row, request(), [5], drawn[row]) for row in (0, 1)]), 1.0, 10.0)
    for tokens in drawn:
        tokens.append(7)
    assert passed(made, update(moved=[(0, 1, MoveDirectionality.SWAP)]), 30.0, 3.0) == [20.0, 2.0]
    drawn[0].append(7)
    drawn[1].append(7)
    change = update(removed=[0], moved=[(1, 0, MoveDirectionality.UNIDIRECTIONAL)])
    assert passed(made, change, 5.0) == [3.0]


def test_rows_of_prompts_within_a_pass_are_no_steps() -> None:
    made = pools()
    assert passed(made, update(added=[(0, request(), [5], [])]), 1.0) == [1.0]
    assert made.means(torch.tensor([[9.0], [9.0]])).tolist() == [[9.0], [9.0]]


def test_what_is_written_of_a_step_is_drawn_first_and_then_whatever_the_logits_say() -> None:
    made, drawn = pools(), []
    passed(made, update(added=[(0, request(2, 1), [5], drawn)]), 1.0)
    for token in (2, 1):
        assert made.apply(torch.zeros(1, 4)).softmax(-1).argmax() == token
        assert made.apply(torch.zeros(1, 4)).softmax(-1).max() == 1
        drawn.append(token)
    assert made.apply(torch.zeros(1, 4)).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("replay", ["12", [1.5], [-1], [True], ["1"], {"a": 1}])
def test_a_replay_that_is_no_list_of_ids_is_refused(replay: Any) -> None:
    from reflectgen.engine.vllm.pooling import Pools

    with pytest.raises(ValueError, match="is no list of token ids"):
        Pools.validate_params(vllm.SamplingParams(extra_args={REPLAY: replay}))
    Pools.validate_params(vllm.SamplingParams())
    Pools.validate_params(request(1, 2))


def test_an_id_that_the_vocabulary_lacks_is_let_be() -> None:
    made = pools()
    passed(made, update(added=[(0, request(99), [5], [])]), 1.0)
    assert made.apply(torch.zeros(1, 4)).tolist() == [[0, 0, 0, 0]]
