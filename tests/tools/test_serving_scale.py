"""The plan for sampling, by numbers worked by hand."""

from __future__ import annotations

import pytest
import serving_scale

from reflectgen.config import HeadConfig

SMALL, MIDDLE, TWO, FOUR, EIGHT = serving_scale.groups()


def test_the_page_holds_the_tables() -> None:
    assert serving_scale.TABLES.fresh


def test_keys_and_values_are_counted_by_shape() -> None:
    assert SMALL.kv == 2 * 28 * 2 * 128 * 2
    assert MIDDLE.kv == 2 * 28 * 4 * 128 * 2
    assert TWO.kv == FOUR.kv == EIGHT.kv == 2 * 64 * 8 * 128 * 2


def test_memory_holds_as_many_branches_as_the_weights_leave_room_for() -> None:
    assert MIDDLE.weights == pytest.approx(15.2e9, rel=0.01)
    assert MIDDLE.branches == int((72e9 - MIDDLE.weights) / (16_384 * 57_344)) == 60


def test_a_step_reads_weights_and_caches_once() -> None:
    assert MIDDLE.step(60) == pytest.approx((MIDDLE.weights + 60 * 16_384 * 57_344) / 3.35e12)
    assert FOUR.step(51) == pytest.approx((FOUR.weights + 51 * 16_384 * 262_144) / (4 * 3.35e12))


def test_so_many_short_branches_that_multiplying_takes_longer_are_bound_by_that() -> None:
    short = serving_scale.Group("short", MIDDLE.shape, 1)
    branches = 10**7
    assert short.step(branches) >= 2 * MIDDLE.shape.parameters * branches / 989e12


def test_more_gpus_a_copy_serve_more_each() -> None:
    each = [group.throughput / group.gpus for group in (TWO, FOUR, EIGHT)]
    assert each == sorted(each)


def test_the_papers_head_is_what_is_counted() -> None:
    assert serving_scale.head_parameters(HeadConfig(hidden_size=1536)) == 4_724_737
