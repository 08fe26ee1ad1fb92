"""API keys: read from a file, compared without telling by the time it takes how much of one was right."""

from __future__ import annotations

import hmac
from hashlib import sha256
from pathlib import Path

from reflectgen.errors import InputError


class Keys:
    """The keys that open a service; where there are none it is open to all who can reach it."""

    def __init__(self, keys: list[str]) -> None:
        self._digests = [sha256(key.encode()).digest() for key in keys]

    @classmethod
    def read(cls, path: Path) -> Keys:
        """The keys in a file, one a line; raises `InputError` where it cannot be read or holds none."""
        try:
            keys = path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The file of API keys {path} cannot be read: {getattr(error, 'strerror', error)}.") from None
        if not keys:
            raise InputError(f"The file of API keys {path} holds no key: write one a line.")
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def open(self, authorization: bytes) -> bool:
        """Whether the header `authorization` holds a bearer token that is one of them."""
        scheme, _, token = authorization.partition(b" ")
        given = sha256(token.strip()).digest()
        matches = [hmac.compare_digest(given, digest) for digest in self._digests]  # all of them, whichever fits
        return scheme.lower() == b"bearer" and any(matches)
