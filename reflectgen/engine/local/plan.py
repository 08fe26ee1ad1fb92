"""What one step of the local engine does: from the seats, plain arrays for the passes. No tensor is touched here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reflectgen.engine.local.passes import Decode, Fill
from reflectgen.engine.local.seats import Operation, Seat, Seating
from reflectgen.engine.sampling import Knobs

FILL_TOKENS = 1024
"""Tokens of a filling pass, rows times columns: enough to be efficient, little enough to keep activations small."""


@dataclass(slots=True)
class Plan:
    """One step of the driver."""

    fills: list[tuple[list[Operation], Fill, list[Seat]]]
    """Filling passes in order, each after its tensor operations, with the seats of `Fill.graded`."""
    operations: list[Operation]
    """Tensor operations before decoding."""
    decode: Decode
    seats: list[Seat]
    """The seats of the decoded rows."""
    epochs: list[int]
    """Their branches' epochs when this was planned."""


class Planner:
    """Plans step after step over one seating, and counts what they cost."""

    def __init__(self, seating: Seating) -> None:
        self.seating = seating
        self.passes = 0
        """Passes planned, filling and decoding."""
        self.rows = 0
        """Rows of all decoding passes: tokens drawn, or fed once more."""
        self.places = 0
        """Rows that these passes could have had."""
        self._knobs: tuple[list[Seat], Knobs] | None = None

    def plan(self) -> Plan | None:
        """The next step; None where nothing is live."""
        live = self.seating.arrange()
        if not live:
            return None
        first, followers = self.seating.fill_order(live)
        fills = self._fills(first)
        if followers:
            fills += self._fills(self.seating.follow(followers, first))
        live = self.seating.seats[: len(live)]
        decode = self._decode(live)
        self.rows += len(live)
        self.places += self.seating.rows
        return Plan(fills, self.seating.take_operations(), decode, live, [seat.branch.epoch for seat in live])

    def _fills(self, seats: Sequence[Seat]) -> list[tuple[list[Operation], Fill, list[Seat]]]:
        """Filling passes for seats in contiguous slots; their tokens count as cached from here on."""
        fills = []
        rest = list(seats)
        while rest:
            longest = min(max(seat.missing for seat in rest), FILL_TOKENS)
            group = rest[: max(1, FILL_TOKENS // longest)]
            rest = rest[len(group) :]
            while (width := min(max(seat.missing for seat in group), FILL_TOKENS)) > 0:
                fills.append(self._fill(group, width))
        return fills

    def _fill(self, group: Sequence[Seat], width: int) -> tuple[list[Operation], Fill, list[Seat]]:
        tokens = np.zeros((len(group), width), dtype=np.int64)
        positions = np.empty((len(group), width), dtype=np.int64)
        graded, seats = [], []
        for row, seat in enumerate(group):
            start, length = seat.cached, seat.branch.length
            count = min(seat.missing, width)
            tokens[row, :count] = seat.branch.ids_between(start, start + count)
            positions[row, :count] = np.arange(start, start + count)
            positions[row, count:] = length - 1
            if seat.branch.awaiting is not None and start <= seat.branch.awaiting < start + count:
                graded.append((row, seat.branch.window()))
                seats.append(seat)
            seat.cached += count
            self._count_fed(seat, count)
        self._count_pass(group)
        used = int(positions.max()) + 1
        fill = Fill(low=group[0].slot, tokens=tokens, positions=positions, used=used, graded=tuple(graded))
        return self.seating.take_operations(), fill, seats

    def _decode(self, live: list[Seat]) -> Decode:
        for seat in live:
            if seat.refed:
                self._count_fed(seat, 1)
                seat.refed = False
        self._count_pass(live)
        branches = [seat.branch for seat in live]
        if self._knobs is None or self._knobs[0] != live:
            self._knobs = live, Knobs.of([branch.tree.sampling for branch in branches])
        return Decode(
            tokens=np.array([branch.ids[-1] if branch.ids else branch.tree.prompt[-1] for branch in branches], dtype=np.int64),
            positions=np.array([branch.length - 1 for branch in branches], dtype=np.int64),
            keys=np.array([branch.key for branch in branches], dtype=np.uint64),
            draws=np.array([len(branch.ids) for branch in branches], dtype=np.uint64),
            knobs=self._knobs[1],
        )

    def _count_fed(self, seat: Seat, tokens: int) -> None:
        seat.branch.tree.ledger.tokens_prefilled += tokens

    def _count_pass(self, seats: Sequence[Seat]) -> None:
        self.passes += 1
        for tree in {seat.branch.tree for seat in seats}:
            assert tree.ledger.forward_passes is not None
            tree.ledger.forward_passes += 1
