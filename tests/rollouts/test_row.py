from dataclasses import replace

from rollouts.made import COST, HEADER, STEP, rollout

from reflectgen.rollouts import Header, Rollout, prompt_hash
from reflectgen.types import Problem, Trajectory

TRAJECTORY = Trajectory(
    id="1",
    parent=None,
    token_ids=(3, 4, 5),
    thinking="a.\n\n",
    reply="",
    answer="2",
    steps=(replace(STEP, text="a.\n\n"),),
    score=0.75,
    logprob=-0.375,
    confidence=2.0,
    tokens=2,
    finish="stop",
    forced_spans=((2, 3),),
    text="a.\n\n</think>",
    token_logprobs=(-0.5, -0.25, 0.0),
)


def test_a_header_survives_its_json() -> None:
    assert Header.decode(HEADER.encode()) == HEADER


def test_a_prompts_hash_tells_prompts_apart_and_fits_a_signed_column() -> None:
    assert prompt_hash((1, 23)) != prompt_hash((12, 3))
    assert 0 <= prompt_hash(range(100)) < 2**63
    assert prompt_hash([7, 8, 9]) == prompt_hash((7, 8, 9)) == 4933105554230973313


def test_a_row_is_the_trajectory_and_what_it_was_sampled_for() -> None:
    problem = Problem(text="What is 1 + 1?", id="p0", answers=("2",))
    assert Rollout.of(problem, 1, 0, [7, 8, 9], TRAJECTORY, True, COST) == rollout(sample=1)
    assert rollout(sample=1).key == ("p0", 1)


def test_a_row_gives_its_trajectory_back() -> None:
    again = rollout(sample=1).trajectory()
    assert again == replace(TRAJECTORY, thinking="a.\n\n</think>", reply="a.\n\n</think>", steps=(STEP,))
    assert rollout().compact().trajectory().text == ""


def test_a_compact_row_keeps_what_cannot_be_computed_again() -> None:
    compact = rollout().compact()
    assert (compact.problem, compact.prompt_ids, compact.text) == (None, None, None)
    assert replace(compact, problem="What is 1 + 1?", prompt_ids=(7, 8, 9), text="a.\n\n</think>") == rollout()
