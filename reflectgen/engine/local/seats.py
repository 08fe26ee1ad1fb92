"""Who sits where in the cache: admission, eviction, and the order of slots.

Policy only. Seats are decided on the event loop between passes; what that means for tensors is recorded as operations
(`Seating.take_operations`) and carried out by the thread that computes.

The rules. Waiting branches enter in the order they came, while fewer are live than a pass has rows. There may be more seats
than rows: where more of the seated are live than fit a pass, those that came first are in it. A branch that is halted or
closed keeps its seat until the seat is needed, the longest idle going first; what was evicted is recomputed when it goes
on. Live branches are moved out only where their growth leaves fewer slots than branches: the youngest goes, to the head of
the queue. The oldest live branch therefore always advances, and no search that holds many halted branches can block another.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from reflectgen.engine.branch import UNENDED, Branch
from reflectgen.engine.local.cache import COLUMNS, Slots
from reflectgen.engine.tree import Tree

Operation = Callable[[], None]
HEADROOM = 128
"""Columns beyond a prompt that are allocated at first."""
SEATS = 4
"""Most seats for each row of a pass: searches hold many halted branches, which would be recomputed if they had none."""


@dataclass(slots=True, eq=False)
class Seat:
    """One branch's slot and how much of the branch is in it."""

    branch: Branch
    slot: int
    arrived: int
    """Number of the admission; the smallest is the oldest."""
    cached: int = 0
    """Leading tokens of prompt and completion whose keys and values are in the slot."""
    idle_since: int = 0
    """Tick at which it was last seen live."""
    epoch: int = -1
    """The branch's epoch when the seat was last brought up to date."""
    refed: bool = True
    """Whether the token that is fed next was not drawn in this seat's last pass."""

    @property
    def missing(self) -> int:
        """Tokens to feed before the last one, which decoding feeds."""
        return self.branch.length - 1 - self.cached


class Seating:
    """The seats, in slot order, and the queue before them."""

    def __init__(self, slots: Slots, most_rows: int) -> None:
        self.slots = slots
        self.most_rows = most_rows
        self.seats: list[Seat] = []
        self.seat_of: dict[Branch, Seat] = {}
        self.waiting: OrderedDict[Branch, None] = OrderedDict()
        self._size = slots.slots
        self._columns = slots.columns
        self._operations: list[Operation] = []
        self._arrivals = 0
        self._tick = 0

    @property
    def most_seats(self) -> int:
        """Most seats, whatever the budget."""
        return SEATS * self.most_rows

    @property
    def limit(self) -> int:
        """Most seats at the present number of columns."""
        return min(self.most_seats, self.slots.most_slots(self._columns))

    @property
    def taken(self) -> int:
        """Seats of branches that have not ended."""
        return sum(seat.branch.state in UNENDED for seat in self.seats)

    @property
    def rows(self) -> int:
        """Most rows of a pass at the present number of columns."""
        return min(self.most_rows, self.limit)

    def take_operations(self) -> list[Operation]:
        """The tensor operations recorded since the last call, in order."""
        operations, self._operations = self._operations, []
        return operations

    def queue(self, branch: Branch) -> None:
        """Seat this live branch when its turn comes."""
        if branch not in self.seat_of:
            self.waiting[branch] = None

    def clear(self) -> None:
        """Take every seat away and begin with a small cache again; those who wait go on waiting."""
        self.seats.clear()
        self.seat_of.clear()
        self._size, self._columns = 1, COLUMNS
        self._operations = [partial(self.slots.resize, self._size, self._columns, 0)]

    def rest(self) -> None:
        """Nothing is live: where no seat is kept either, what comes next is computed as if it were the first."""
        if not self.seats:
            self.clear()

    def arrange(self) -> list[Seat]:
        """Seat whom the budget allows; return the live seats of the next pass, which lie in slots 0 to n - 1."""
        self._tick += 1
        self._refresh()
        self._grow()
        self._admit()
        live = [seat for seat in self.seats if seat.branch.state == "live"]
        for seat in live:
            seat.idle_since = self._tick
        if len(live) > self.most_rows:
            live = sorted(live, key=lambda seat: seat.arrived)[: self.most_rows]
        self._gather(live, 0)
        return self.seats[: len(live)]

    def fill_order(self, live: Sequence[Seat]) -> tuple[list[Seat], list[Seat]]:
        """Copy prefixes and order the live seats so that those with tokens missing lie together.

        Returns two waves of seats to fill, each in contiguous slots: the second copies from the first and is filled
        after it. Seats that share a prompt or a parent thus compute what they share once.
        """
        lacking = [seat for seat in live if seat.missing > 0]
        if not lacking:
            return [], []
        donors = self._donors()
        leaders: dict[Tree, Seat] = {}
        first, followers = [], []
        for seat in lacking:
            tree = seat.branch.tree
            if seat.cached == 0 and tree not in donors and tree in leaders:
                followers.append(seat)
            else:
                leaders.setdefault(tree, seat)
                first.append(seat)
        ready = len(live) - len(lacking)
        self._gather(first, ready)
        self._gather(followers, ready + len(first))
        for seat in first:
            self._inherit(seat, donors.get(seat.branch.tree, ()))
        return self._contiguous(first, ready), followers

    def follow(self, followers: Sequence[Seat], leaders: Sequence[Seat]) -> list[Seat]:
        """Let the second wave copy from the first; return those with tokens still missing, in contiguous slots."""
        donors = {seat.branch.tree: [seat] for seat in reversed(leaders)}
        for seat in followers:
            self._inherit(seat, donors[seat.branch.tree])
        return self._contiguous(followers, min((seat.slot for seat in followers), default=0))

    # -- inside --------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Drop the branches that have ended; forget what was replaced in the others."""
        for seat in list(self.seats):
            branch = seat.branch
            if branch.state == "live" and branch.epoch == seat.epoch and branch.awaiting is None:
                continue
            if branch.state in ("finished", "cancelled", "failed"):
                self._remove(seat)
                continue
            seat.epoch = branch.epoch
            valid = min(seat.cached, branch.look(), branch.to_feed)
            if valid != seat.cached or seat.missing > 0:
                seat.refed = True
            seat.cached = valid

    def _grow(self) -> None:
        """Give the longest live branch a column for its last token."""
        need = max((seat.branch.length for seat in self.seats if seat.branch.state == "live"), default=0)
        if need > self._columns:
            self._resize(_blocks(need + need // 2))

    def _admit(self) -> None:
        while self.waiting:
            branch = next(iter(self.waiting))
            if branch.state == "live" and (self._live() >= self.most_rows or not self._make_place(branch.length)):
                return
            del self.waiting[branch]
            if branch.state == "live":
                self._sit(branch)

    def _make_place(self, length: int) -> bool:
        """Whether there is, or can be made, a free slot with columns for `length` tokens."""
        if length > self._columns:
            wanted = [min(_blocks(columns), self.slots.most_columns) for columns in (length + HEADROOM, length)]
            fitting = [columns for columns in wanted if self._live() < self.slots.most_slots(columns)]
            if not fitting:
                return False
            while len(self.seats) >= self.slots.most_slots(fitting[0]):
                self._evict(self._idle())
            self._resize(fitting[0])
        if len(self.seats) < self.limit:
            return True
        idle = self._idle()
        if idle is not None:
            self._evict(idle)
            return True
        return self._shrink(length)

    def _shrink(self, length: int) -> bool:
        """Trade columns that nobody needs any more for slots."""
        need = max([length, *(seat.branch.length for seat in self.seats)])
        columns = _blocks(need + HEADROOM)
        if 2 * columns > self._columns or len(self.seats) >= self.most_seats:
            return False
        self._resize(columns)
        return len(self.seats) < self.limit

    def _resize(self, columns: int) -> None:
        """Plan for at least `columns` columns, as far as the budget goes, and no more slots than it then allows."""
        self._columns = min(columns, self.slots.most_columns)
        self._size = max(1, min(self._size, self.slots.most_slots(self._columns)))
        while len(self.seats) > self._size:
            self._evict(self._idle() or max(self.seats, key=lambda seat: seat.arrived))
        self._record(self.slots.resize, self._size, self._columns, len(self.seats))

    def _sit(self, branch: Branch) -> None:
        if len(self.seats) == self._size:
            self._size = min(self.limit, 2 * self._size)
            self._record(self.slots.resize, self._size, self._columns, len(self.seats))
        branch.look()
        self._arrivals += 1
        seat = Seat(branch, len(self.seats), self._arrivals)
        self.seats.append(seat)
        self.seat_of[branch] = seat

    def _evict(self, seat: Seat | None) -> None:
        assert seat is not None
        self._remove(seat)
        if seat.branch.state == "live":
            self.waiting[seat.branch] = None
            self.waiting.move_to_end(seat.branch, last=False)

    def _remove(self, seat: Seat) -> None:
        """Free a seat; the last one moves into its slot."""
        last = self.seats.pop()
        del self.seat_of[seat.branch]
        if last is not seat:
            self._record(self.slots.copy, last.slot, seat.slot, last.cached)
            last.slot = seat.slot
            self.seats[seat.slot] = last

    def _idle(self) -> Seat | None:
        """The seat that has been idle longest; None where all are live."""
        idle = [seat for seat in self.seats if seat.branch.state != "live"]
        return min(idle, key=lambda seat: seat.idle_since, default=None)

    def _live(self) -> int:
        return sum(seat.branch.state == "live" for seat in self.seats)

    def _gather(self, group: Sequence[Seat], start: int) -> None:
        """Bring `group` into the slots from `start` on, with as few swaps as there are strangers in them."""
        stop = start + len(group)
        members = set(group)
        strangers = [seat for seat in self.seats[start:stop] if seat not in members]
        outside = [seat for seat in group if not start <= seat.slot < stop]
        for stranger, member in zip(strangers, outside, strict=True):
            self._swap(stranger, member)

    def _swap(self, one: Seat, other: Seat) -> None:
        self._record(self.slots.swap, one.slot, other.slot, max(one.cached, other.cached))
        self.seats[one.slot], self.seats[other.slot] = other, one
        one.slot, other.slot = other.slot, one.slot

    def _donors(self) -> dict[Tree, list[Seat]]:
        donors: dict[Tree, list[Seat]] = {}
        for seat in self.seats:
            if seat.cached > 0:
                donors.setdefault(seat.branch.tree, []).append(seat)
        return donors

    def _inherit(self, seat: Seat, donors: Sequence[Seat]) -> None:
        """Copy the longest prefix that a donor has, where it is longer than what the seat has."""
        shared, donor = max(
            ((shared_prefix(seat.branch, donor), donor) for donor in donors if donor is not seat),
            key=lambda pair: pair[0],
            default=(0, None),
        )
        if donor is not None and shared > seat.cached:
            self._record(self.slots.copy, donor.slot, seat.slot, shared)
            seat.cached = shared

    def _contiguous(self, seats: Sequence[Seat], start: int) -> list[Seat]:
        """Of seats in contiguous slots from `start` on, those with tokens missing, moved to the end of the range."""
        lacking = [seat for seat in seats if seat.missing > 0]
        self._gather(lacking, start + len(seats) - len(lacking))
        return sorted(lacking, key=lambda seat: seat.slot)

    def _record(self, operation: Callable[..., None], *arguments: int) -> None:
        self._operations.append(partial(operation, *arguments))


def shared_prefix(branch: Branch, donor: Seat) -> int:
    """Leading tokens of `branch` that are in `donor`'s slot and need not be fed; both are of one tree."""
    prompt = len(branch.tree.prompt)
    most = min(branch.to_feed, donor.cached)
    if most <= prompt:
        return most
    ids, others = branch.ids, donor.branch.ids
    return next((prompt + i for i in range(most - prompt) if ids[i] != others[i]), most)


def _blocks(columns: int) -> int:
    """`columns` rounded up to whole blocks."""
    return -(-columns // COLUMNS) * COLUMNS
