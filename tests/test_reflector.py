"""The front for people, over a scripted engine."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.errors import CapacityError, InputError, ModelError, OptionError
from reflectgen.reflector import Reflector, check, thinkings, unit
from reflectgen.types import Problem

GOOD = Script("Two and two.\n\nThat is 4.\n\n</think>", reply="\\boxed{4}", logits=(1.0, 2.0))
POOR = Script("Two and two.\n\nThat is 5.\n\n</think>", reply="\\boxed{5}", logits=(1.0, -1.0))


def reflector(**settings: Any) -> Reflector:
    engine = ScriptedEngine({"Three": [POOR], "": [POOR, GOOD]}, **settings)
    return Reflector(engine, engine.encode, sampling=Sampling(temperature=1.0), notes=["a note"])


@pytest.fixture
def model() -> Iterator[Reflector]:
    with reflector() as model:
        yield model


@pytest.fixture
def headless() -> Iterator[Reflector]:
    with reflector(has_head=False) as model:
        yield model


def test_a_problem_is_solved_by_the_methods_defaults(model: Reflector) -> None:
    result = model.solve("What is 2 + 2?")
    assert (result.answer, result.strategy, result.select, result.seed) == ("4", "best_of_n", "sprm", 0)
    assert len(result.trajectories) == 8
    assert result.problem == Problem(text="What is 2 + 2?")
    assert result.notes == ("a note",)


def test_effort_and_k(model: Reflector) -> None:
    assert len(model.solve("?", effort="low").trajectories) == 2
    assert len(model.solve("?", effort="high").trajectories) == 32
    assert len(model.solve("?", effort="high", k=3).trajectories) == 3


async def test_solve_works_inside_a_running_loop(model: Reflector) -> None:
    assert model.solve("?", k=2).answer == "4"


async def test_asolve_leaves_the_callers_loop_free(model: Reflector) -> None:
    results = await asyncio.gather(*(model.asolve("?", k=2) for _ in range(3)))
    assert [result.answer for result in results] == ["4"] * 3


def test_what_was_prepared_each_with_its_own_options_is_carried_out_together(model: Reflector) -> None:
    prepared = (model.prepare(Problem(text="?", id=str(k)), k=k) for k in (1, 2, 3))
    results = list(model.carry_out_many(prepared, concurrency=2))
    assert {result.problem.id: len(result.trajectories) for result in results} == {"1": 1, "2": 2, "3": 3}
    assert {result.notes for result in results} == {("a note",)}


async def test_what_was_prepared_is_carried_out_and_a_cancelled_search_frees_its_branches(model: Reflector) -> None:
    prepared = model.prepare("?", k=2, strategy="auto")
    assert (prepared.strategy, prepared.request.k, prepared.notes[0]) == ("beam", 2, "a note")
    assert (await model.acarry_out(prepared)).notes == prepared.notes
    begun, cancelled = threading.Event(), threading.Event()

    def observe(branch: Branch) -> None:
        begun.set()
        cancelled.wait(10)

    search = asyncio.create_task(model.acarry_out(model.prepare("?", k=2, observe=observe)))
    assert await asyncio.to_thread(begun.wait, 10)
    search.cancel()
    await asyncio.sleep(0)
    cancelled.set()
    with pytest.raises(asyncio.CancelledError):
        await search
    assert (await model.asolve("?", k=1)).answer == "5"
    assert model.engine.held == 0


def test_a_prompt_may_be_given_and_a_conversation_is_one(model: Reflector) -> None:
    turns = [{"role": "user", "content": "Two"}, {"role": "assistant", "content": "4"}, {"role": "user", "content": "Three"}]
    prompt = model.chat(turns)
    assert model.engine.grammar.table.decode(prompt) == "Two\n\n4\n\nThree"
    result = model.solve("Two", k=1, prompt=prompt)
    assert (result.problem.text, result.answer) == ("Two", "5")
    with pytest.raises(InputError, match="The prompt is empty"):
        model.solve("Two", prompt=())


def test_many_problems_come_back_as_they_finish(model: Reflector) -> None:
    problems = [Problem(text=text, id=text) for text in ("Three", "Two", "Four")]
    results = {result.problem.id: result.answer for result in model.solve_many(problems, k=2, concurrency=2)}
    assert results == {"Three": "5", "Two": "4", "Four": "4"}


def test_problems_solved_together_all_live_at_once(model: Reflector) -> None:
    problems = [Problem(text=text, id=text) for text in ("Three", "Two", "Four")]
    live: list[int] = []
    results = model.solve_together(problems, k=2, observe=lambda branch: live.append(model.engine.held))
    assert {result.problem.id: result.answer for result in results} == {"Three": "5", "Two": "4", "Four": "4"}
    assert live[:6] == [2, 2, 4, 4, 6, 6]
    assert list(model.solve_together([])) == []


def test_an_error_or_a_dropped_iterator_ends_all_that_is_solved_together(model: Reflector) -> None:
    with pytest.raises(InputError, match="The prompt is empty"):
        list(model.solve_together(["Two", ""], k=1))
    results = model.solve_together(["Two", "Three"], k=1)
    assert next(results).answer in ("4", "5")
    results.close()
    assert model.solve("Two", k=2).answer == "4"
    model.close()
    with pytest.raises(OptionError, match="was closed"):
        next(model.solve_together(["Two"]))


def test_one_bad_problem_ends_many(model: Reflector) -> None:
    with pytest.raises(InputError, match="The prompt is empty"):
        list(model.solve_many(["Two", ""], k=1))


def test_the_models_own_sampling_stands_unless_it_is_overruled(model: Reflector) -> None:
    assert model.request("?").sampling == Sampling(temperature=1.0)
    assert model.request("?", top_p=0.5, temperature=None).sampling == Sampling(temperature=1.0, top_p=0.5)
    assert model.request("?", temperature=0.0).sampling.temperature == 0.0


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"k": 0}, "k must be at least 1, not 0"),
        ({"effort": "hihg"}, r"Unknown effort 'hihg'.*Did you mean 'high'\?"),
        ({"strategy": "beam_serach"}, "Unknown strategy"),
        ({"strategy": "esc", "answer": "chosen"}, "The strategy esc compares answers"),
        ({"strategy": "auto", "settings": {"expand": 2}}, "auto chooses for itself"),
        ({"strategy": "beam", "settings": {"expnd": 2}}, "The settings of beam: expnd"),
        ({"select": "sprn"}, r"Unknown selector 'sprn'.*Did you mean 'sprm'\?"),
        ({"answer": "some"}, "Unknown way to answer 'some'"),
        ({"top_p": 0.0}, "top_p"),
        ({"temperature": -1.0}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"abstain_below": 1.5}, "abstain_below"),
        ({"tempratur": 1.0}, r"Unknown option 'tempratur'.*Did you mean 'temperature'\?"),
    ],
)
def test_wrong_options_are_one_sentence(model: Reflector, options: Any, fault: str) -> None:
    with pytest.raises(OptionError, match=fault):
        check(options)
    with pytest.raises(OptionError, match=fault):
        model.solve("?", **options)


def test_a_prompt_longer_than_the_context() -> None:
    with reflector(context=16) as model, pytest.raises(CapacityError, match="The prompt has 40 tokens"):
        model.solve("!" * 40)


def test_without_a_head_majority_decides_and_scores_are_refused(headless: Reflector) -> None:
    assert headless.solve("?", k=2).select == "majority"
    for name in ("sprm", "blend", "weighted"):
        with pytest.raises(ModelError, match=f"The selector '{name}' needs an SPRM head"):
            headless.solve("?", select=name)
    with pytest.raises(ModelError, match="Grading steps needs an SPRM head"):
        headless.score_text("a.\n\n")


def test_thinkings() -> None:
    assert [thinkings({"effort": effort}) for effort in ("low", "medium", "high")] == [2, 8, 32]
    assert thinkings({}) == 8
    assert thinkings({"k": 5, "effort": "low"}) == 5


def test_a_unit_is_as_many_problems_as_fill_a_batch() -> None:
    assert [unit(k) for k in (1, 2, 8, 32, 300)] == [256, 128, 32, 8, 1]


def test_a_text_is_graded_where_its_steps_end(model: Reflector) -> None:
    text = "<think>Two and two.\n\nThat is 4.\n\n</think>"
    ids = model.engine.grammar.table.encode(text)
    pieces = [model.engine.grammar.table.decode([token]) for token in ids]
    graded = model.score_text(text)
    assert [step.text for step in graded.steps] == ["Two and two.\n\n", "That is 4.\n\n"]
    # at offset -1 the state before the step token is read
    assert [pieces[position + 1] for position in graded.positions] == [".\n\n", ".\n\n"]


async def test_a_text_is_graded_while_the_callers_loop_goes_on(model: Reflector) -> None:
    graded = await model.ascore_text("Sum?\n\n<think>", "Two and two.\n\nThat is 4.\n\n</think>")
    assert [step.text for step in graded.steps] == ["Two and two.\n\n", "That is 4.\n\n"]
    assert graded == model.score_text("Sum?\n\n<think>", "Two and two.\n\nThat is 4.\n\n</think>")
    assert graded.tokens == len(model.engine.grammar.table.encode("Sum?\n\n<think>Two and two.\n\nThat is 4.\n\n</think>"))


def test_positions_count_from_the_whole_texts_start(model: Reflector) -> None:
    prompt, completion = "Sum?\n\n<think>", "Two and two.\n\nThat is 4.\n\n</think>"
    apart, whole = model.score_text(prompt, completion), model.score_text(prompt + completion)
    assert apart.positions == whole.positions
    assert [step.text for step in apart.steps] == ["Two and two.\n\n", "That is 4.\n\n"]


def test_the_score_is_the_aggregate_of_the_steps() -> None:
    engine = ScriptedEngine([Script("a.\n\nb.\n\n", logits=(0.0, 2.0))], tags=None)
    with Reflector(engine, engine.encode) as model:
        # sqrt(0.5 * 0.880797)
        assert model.score_text("a.\n\nb.\n\n").score == pytest.approx(0.663625, abs=1e-6)


@pytest.mark.parametrize(("rule", "score"), [("paper", 0.5), ("official", 0.0)])
def test_a_text_without_steps(rule: str, score: float) -> None:
    engine = ScriptedEngine([Script("no step")], step_rule=rule)
    with Reflector(engine, engine.encode) as model:
        assert model.score_text("no step").score == score


def test_many_texts_keep_their_index(model: Reflector) -> None:
    texts = [("a.\n\n" * (index + 1), "") for index in range(5)]
    assert sorted(index for index, _ in model.score_texts(texts, concurrency=2)) == [0, 1, 2, 3, 4]


def test_an_empty_or_too_long_text_is_refused() -> None:
    with reflector(context=4) as model:
        with pytest.raises(InputError, match="The text is empty"):
            model.score_text("")
        with pytest.raises(CapacityError, match="The text has 5 tokens, the model's context 4"):
            model.score_text("1 2 3")


def test_closing_twice_does_nothing_and_solving_after_it_is_told() -> None:
    model = reflector()
    model.close()
    model.close()
    with pytest.raises(OptionError, match="was closed"):
        model.solve("?")
