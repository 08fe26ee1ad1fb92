"""Who is let in, who waits, and who is told to come back."""

from __future__ import annotations

import asyncio

import pytest
from serve.rig import KEY  # first, since without the extra it skips

from reflectgen.config import ServeConfig
from reflectgen.serve.admission import Admission, Place
from reflectgen.serve.faults import Fault

assert KEY


def admission(**limits: float) -> Admission:
    return Admission(ServeConfig(**limits))  # type: ignore[arg-type]


async def until(event: asyncio.Event, log: list[int], number: int) -> int:
    log.append(number)
    await event.wait()
    return number


def run(place: Place, event: asyncio.Event, log: list[int], number: int) -> asyncio.Task[int]:
    return asyncio.create_task(place.run(lambda: until(event, log, number)))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_places_are_taken_in_order_and_the_queue_is_bounded() -> None:
    door, log = admission(live=2, queue=2), list[int]()
    events = [asyncio.Event() for _ in range(4)]
    tasks = [run(door.enter(), event, log, number) for number, event in enumerate(events)]
    await settle()
    assert (log, door.live, door.waiting) == ([0, 1], 2, 2)
    with pytest.raises(Fault, match="2 requests are being answered and 2 wait") as busy:
        door.enter()
    assert busy.value.code == "rate_limit_exceeded" and int((busy.value.headers or {})["retry-after"]) >= 1
    events[1].set()
    await settle()
    assert (log, door.live, door.waiting) == ([0, 1, 2], 2, 1)
    for event in events:
        event.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2, 3]
    assert (door.live, door.waiting) == (0, 0)


async def test_the_deadline_counts_the_wait() -> None:
    door, log = admission(live=1, queue=1, deadline=0.02), list[int]()
    never = asyncio.Event()
    tasks = [run(door.enter(), never, log, number) for number in range(2)]
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [error.code for error in done if isinstance(error, Fault)] == ["deadline_exceeded"] * 2
    assert (door.live, door.waiting) == (0, 0)


async def test_whoever_goes_away_frees_a_place_also_before_it_ran() -> None:
    door, log = admission(live=1, queue=2), list[int]()
    never = asyncio.Event()
    places = [door.enter() for _ in range(3)]
    tasks = [run(place, never, log, number) for number, place in enumerate(places)]
    tasks[0].cancel()
    tasks[2].cancel()
    for place in (places[0], places[2]):  # they never ran, so that nobody but their owner can free them
        place.leave()
    await settle()
    assert (log, door.live, door.waiting) == ([1], 1, 0)
    tasks[1].cancel()
    await settle()
    assert (door.live, door.waiting) == (0, 0)


async def test_what_is_aborted_ends_with_the_reason_and_a_closed_door_says_so() -> None:
    door, log = admission(live=1, queue=2), list[int]()
    never = asyncio.Event()
    tasks = [run(door.enter(), never, log, number) for number in range(2)]
    await settle()
    tasks.append(run(door.enter(), never, log, 2))  # has not run when it is aborted
    door.abort(Fault("shutting_down", "The service was stopped."))
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [error.code for error in done if isinstance(error, Fault)] == ["shutting_down"] * 3
    assert (log, door.live, door.waiting) == ([0], 0, 0)
    door.closed = True
    with pytest.raises(Fault, match="is stopping") as closed:
        door.enter()
    assert closed.value.status_code == 503
