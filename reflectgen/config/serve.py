"""What a service allows."""

from __future__ import annotations

from pydantic import Field

from reflectgen.config.base import Config


class ServeConfig(Config):
    """Limits of a service. What goes beyond them is refused in words."""

    live: int = Field(64, ge=1)
    """Requests that are answered at once."""
    queue: int = Field(256, ge=0)
    """Requests that wait for their turn; any more are told to come back later."""
    deadline: float = Field(600.0, gt=0)
    """Seconds after which a request that is not answered is given up, its wait included."""
    grace: float = Field(30.0, ge=0)
    """Seconds that live requests have to finish when the service is asked to stop."""
    keep_alive: float = Field(10.0, gt=0)
    """Seconds of silence in a stream after which a comment is sent."""
    receive: float = Field(30.0, gt=0)
    """Seconds that a client has to send a request, and to take what it is sent."""
    body: int = Field(2 * 2**20, ge=1)
    """Bytes of a request."""
    messages: int = Field(256, ge=1)
    """Messages of a conversation, texts to score, prompts to complete."""
    characters: int = Field(400_000, ge=1)
    """Characters of all texts of a request together."""
    thinkings: int = Field(64, ge=1)
    """Thinkings that a request may ask for."""
    choices: int = Field(16, ge=1)
    """Answers that a request may ask for."""
    tokens: int | None = Field(None, ge=1)
    """Tokens that may be generated for a request, over all branches; None for no limit but the model's."""
