"""One call of an OpenAI-compatible chat endpoint: POST {base_url}/chat/completions.

Tried again, ever more patiently, only where waiting may help: too many requests (429), a fault of the server's (5xx), or no
answer in time. Everything else is told at once. The key goes into one header, never across a redirect, and into no message.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from reflectgen.errors import InputError, OptionError

NO_ENTRY = (401, 403)
TOO_MANY_REQUESTS, SERVER_FAULT = 429, 500
LONGEST_WAIT = 60.0
"""Most seconds between two tries."""


class _Busy(Exception):
    """No answer now, and perhaps one later."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What the endpoint answered."""

    text: str
    tokens: int
    """Tokens used, prompt and answer; 0 where it does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A chat model behind an address."""

    base_url: str
    """Up to and without `/chat/completions`, e.g. http://localhost:8000/v1."""
    model: str
    key: str = field(default="", repr=False)
    """Sent as a bearer token; no such header where it is empty."""
    timeout: float = 120.0
    """Seconds to wait for an answer."""
    tries: int = 6
    patience: float = 1.0
    """Seconds before the second try; they double with each further one."""

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise OptionError(f"The judge's address '{self.base_url}' must begin with http:// or https://.")

    def complete(self, messages: list[dict[str, str]]) -> Completion:
        """The answer to a chat, at temperature 0; raises `InputError` where the endpoint gives none."""
        fault = ""
        for attempt in range(self.tries):
            if attempt:
                time.sleep(min(LONGEST_WAIT, self.patience * 2 ** (attempt - 1)))
            try:
                return self._answer(self._post(messages))
            except _Busy as busy:
                fault = str(busy)
        raise InputError(f"{self._who} gave no answer in {self.tries} tries ({fault}): the same command goes on later.")

    @property
    def _who(self) -> str:
        return f"The judge at {self.base_url}"

    def _post(self, messages: list[dict[str, str]]) -> bytes:
        body = {"model": self.model, "messages": messages, "temperature": 0}
        request = Request(f"{self.base_url.rstrip('/')}/chat/completions", json.dumps(body).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        if self.key:
            request.add_unredirected_header("Authorization", f"Bearer {self.key}")
        try:
            with urlopen(request, timeout=self.timeout) as response:
                answer: bytes = response.read()
        except HTTPError as error:
            with error:
                raise self._refusal(error.code, error.reason) from None
        except (OSError, HTTPException) as error:
            raise self._silence(getattr(error, "reason", error)) from None
        return answer

    def _refusal(self, code: int, reason: str) -> Exception:
        if code == TOO_MANY_REQUESTS or code >= SERVER_FAULT:
            return _Busy(f"{code} {reason}")
        mend = "check the key" if code in NO_ENTRY else "check --base-url and --judge-model"
        return InputError(f"{self._who} refused the request ({code} {reason}): {mend}.")

    def _silence(self, reason: Any) -> Exception:
        if isinstance(reason, TimeoutError):
            return _Busy(f"nothing within {self.timeout:g} s")
        return InputError(f"{self._who} cannot be reached ({reason}): check --base-url.")

    def _answer(self, body: bytes) -> Completion:
        try:
            values: dict[str, Any] = json.loads(body)
            text, usage = values["choices"][0]["message"]["content"], values.get("usage") or {}
            return Completion(str(text or ""), int(usage.get("total_tokens") or 0))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise InputError(f"{self._who} answered with something that is no chat completion: check --base-url.") from None
