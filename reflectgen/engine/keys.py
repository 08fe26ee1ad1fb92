"""Keys of random streams: each branch has its own, derived from the seed, the prompt and its place in the tree."""

from __future__ import annotations

from hashlib import blake2b


def mix(*parts: int) -> int:
    """A 64-bit key from integers: equal parts give equal keys, and any other part an unrelated one."""
    data = b"".join(int(part).to_bytes(8, "little", signed=True) for part in map(_signed, parts))
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def _signed(value: int) -> int:
    """`value` modulo 2^64, as a signed 64-bit integer."""
    return (value + 2**63) % 2**64 - 2**63
