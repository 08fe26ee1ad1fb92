import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from reflectgen.background import Background, together
from reflectgen.errors import OptionError


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background()
    yield background
    if not background.closed:
        background.close()


async def double(value: int, delay: float = 0.0) -> int:
    await asyncio.sleep(delay)
    return 2 * value


def test_it_runs_on_a_thread_of_its_own(background: Background) -> None:
    async def name() -> str:
        return threading.current_thread().name

    assert background.run(name()) == "reflectgen"


async def test_it_works_inside_a_running_loop(background: Background) -> None:
    assert background.run(double(3)) == 6


def test_results_come_as_they_are_ready(background: Background) -> None:
    works = (double(value, delay) for value, delay in ((1, 0.2), (2, 0.0), (3, 0.05)))
    assert list(background.as_completed(works, limit=3)) == [4, 6, 2]


def test_no_more_than_the_limit_run_together(background: Background) -> None:
    running, most = 0, 0

    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    assert len(list(background.as_completed((work() for _ in range(9)), limit=3))) == 9
    assert most == 3


def test_an_error_ends_it_and_cancels_the_rest(background: Background) -> None:
    cancelled = threading.Event()

    async def fail() -> None:
        raise ValueError("broken")

    async def wait() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(ValueError, match="broken"):
        list(background.as_completed(iter([wait(), fail()]), limit=2))
    assert cancelled.wait(5)


def test_dropping_the_iterator_cancels_what_runs(background: Background) -> None:
    cancelled = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()

    results = background.as_completed(iter([wait(), double(1)]), limit=2)
    assert next(results) == 2
    results.close()  # type: ignore[attr-defined]
    assert cancelled.wait(5)


def test_after_closing_nothing_can_be_run(background: Background) -> None:
    background.close()
    with pytest.raises(OptionError, match="was closed"):
        background.run(double(1))


@pytest.mark.timeout(20)
def test_closing_ends_what_another_thread_waits_for(background: Background) -> None:
    started, told = threading.Event(), threading.Event()

    async def work() -> None:
        started.set()
        await asyncio.sleep(600)

    def wait() -> None:
        try:
            background.run(work())
        except CancelledError:
            told.set()

    threading.Thread(target=wait, daemon=True).start()
    assert started.wait(5)
    background.close()
    assert told.wait(5)


async def test_where_one_of_many_fails_the_others_are_given_up() -> None:
    ended: list[int] = []

    async def work(seconds: float) -> float:
        if seconds == 0:
            raise ValueError("no")
        await asyncio.sleep(seconds)
        ended.append(1)
        return seconds

    assert await together(work(seconds) for seconds in (0.02, 0.01)) == [0.02, 0.01]
    with pytest.raises(ValueError, match="no"):
        await together(work(seconds) for seconds in (0.02, 0))
    await asyncio.sleep(0.05)
    assert ended == [1, 1]
