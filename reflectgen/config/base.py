"""What every configuration is: frozen, keyword-only, unknown keys refused; and how a recipe of one is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from reflectgen.errors import InputError, OptionError


class Config(BaseModel):
    """Base of all configurations: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, values: dict[str, Any], source: str) -> Self:
        """Validate `values`; the first fault becomes one sentence that names `source` and the key."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(str(part) for part in fault["loc"]) or "value"
            message = fault["msg"].removeprefix("Value error, ")
            raise OptionError(f"{source}: {key}: {message}{'' if message.endswith(('.', '?')) else '.'}") from None


def load_recipe(kind: type[Config], path: Path | None, overrides: Sequence[str] = ()) -> Any:
    """Read the YAML file `path` (None: all defaults) as a `kind`, with dotted `key=value` overrides on top."""
    values = {} if path is None else _read(path)
    for override in overrides:
        _override(values, override)
    return kind.parse(values, "The overrides" if path is None else str(path))


def yaml_value(text: str, what: str) -> Any:
    """The value that `text` is in YAML; raises `OptionError`, whose sentence begins with `what`, where it is none."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise OptionError(f"{what} gives no YAML after its '=': put the value in quotes.") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The recipe {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"The recipe {path} is no YAML: {str(error).splitlines()[0]}.") from None
    if not isinstance(values, dict):
        raise InputError(f"The recipe {path} holds no mapping of keys to values.")
    return values


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise OptionError(f"The override '{override}' is not of the form key=value.")
    *parents, leaf = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise OptionError(f"The override '{override}' goes below '{parent}', which holds a value.")
    values[leaf] = yaml_value(text, f"The override '{override}'")
