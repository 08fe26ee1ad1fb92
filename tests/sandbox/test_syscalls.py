"""The filter program, run by an interpreter of classic BPF that is worked out here."""

from __future__ import annotations

import errno
import struct

import pytest

from reflectgen.sandbox.syscalls import MACHINES, filter_program

ALLOW, REFUSE, MISSING, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x80000000
THREAD = 0x10000


def verdict(program: bytes, number: int, architecture: int, *arguments: int) -> int:
    """What the kernel would do with system call `number` and its first two arguments, 0 where they are not given."""
    fields = struct.pack("=IIQQQ", number, architecture, 0, *(*arguments, 0, 0)[:2])
    instructions = list(struct.iter_unpack("=HBBI", program))
    value = at = 0
    while True:
        code, skip_if, skip_else, operand = instructions[at]
        if code == 0x06:
            return int(operand)
        if code == 0x20:
            value = struct.unpack_from("=I", fields, operand)[0]
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
            at += skip_if if holds else skip_else
        at += 1


@pytest.mark.parametrize("machine", MACHINES)
def test_every_listed_call_is_refused_and_the_others_are_not(machine: str) -> None:
    architecture, clone, refused = MACHINES[machine]
    program = filter_program(machine)
    verdicts = {number: verdict(program, number, architecture) for number in range(500)}
    assert {number for number, each in verdicts.items() if each == REFUSE} == {*refused.values(), clone}
    assert {number for number, each in verdicts.items() if each == MISSING} == {435}
    assert {verdicts[number] for number in verdicts.keys() - {*refused.values(), clone, 435}} == {ALLOW}


@pytest.mark.parametrize("machine", MACHINES)
def test_clone_makes_threads_only(machine: str) -> None:
    architecture, clone, _ = MACHINES[machine]
    assert verdict(filter_program(machine), clone, architecture, THREAD | 0x100) == ALLOW
    assert verdict(filter_program(machine), clone, architecture, 0x11) == REFUSE


def test_calls_of_another_kind_do_not_slip_through() -> None:
    program = filter_program("x86_64")
    assert verdict(program, 0x40000000 + 41, MACHINES["x86_64"][0]) == REFUSE
    assert verdict(program, 102, 0x40000003) == KILL


@pytest.mark.parametrize(("machine", "calls"), [("x86_64", (72, 16)), ("aarch64", (25, 29))])
def test_no_file_is_made_to_send_signals(machine: str, calls: tuple[int, int]) -> None:
    """F_SETOWN, F_SETSIG, F_SETOWN_EX of fcntl, FIOSETOWN and SIOCSPGRP of ioctl; not F_GETFL, F_SETFL, TCGETS."""
    architecture, program = MACHINES[machine][0], filter_program(machine)
    for call in calls:
        refused = [verdict(program, call, architecture, 3, command) for command in (8, 10, 15, 0x8901, 0x8902)]
        allowed = [verdict(program, call, architecture, 3, command) for command in (0, 3, 4, 0x5401)]
        assert refused == [REFUSE] * 5 and allowed == [ALLOW] * 4
