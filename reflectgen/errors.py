"""Every error that a user can meet, each with one sentence that names the cause and the mend.

ReflectgenError                 the command line prints its sentence and exits with 2
├── InputError                  a file, a row or a prompt is wrong
├── OptionError                 an option's value is unknown or out of range
├── ModelError                  a model or a head cannot be loaded, or does not do what was asked
│   ├── BackboneMismatch        a head was trained on another backbone
│   └── EngineGone              the servers behind an engine answer no more
├── SandboxError                generated code cannot be run here without harm
└── CapacityError               a request does not fit the context or the memory budget
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ReflectgenError(Exception):
    """Base of all errors that are the user's to mend."""


class InputError(ReflectgenError, ValueError):
    """A file, a row or a prompt is wrong."""


class OptionError(ReflectgenError, ValueError):
    """An option's value is unknown or out of range."""


class ModelError(ReflectgenError):
    """A model or a head cannot be loaded, or does not do what was asked of it."""


class BackboneMismatch(ModelError):
    """A head was trained on another backbone than the one it is put on."""


class EngineGone(ModelError):
    """None of the servers behind an engine answers any more."""


class SandboxError(ReflectgenError):
    """Generated code cannot be run on this machine without harm."""


class CapacityError(ReflectgenError):
    """A request does not fit the model's context or the memory budget."""


def unknown(kind: str, name: str, known: Iterable[str]) -> OptionError:
    """The error for a name that is in no table: it lists the table and guesses what was meant."""
    names = sorted(known)
    guess = get_close_matches(name, names, n=1)
    hint = f" Did you mean '{guess[0]}'?" if guess else ""
    return OptionError(f"Unknown {kind} '{name}': choose one of {', '.join(names)}.{hint}")
