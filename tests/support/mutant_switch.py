"""Calls a mutant instead of the function it was made from.

Mutated modules import this as `mutant_switch`, from a copy beside their package, so that programs
which a test starts find it too. They know from the environment which mutant to take.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]
MutantDict = dict[str, Function]

ACTIVE = "MUTANT_UNDER_TEST"  # the name of the mutant to take
HITS = "MUTANT_HITS"  # a file for the names of the functions that are called
ORIGINAL = "_mutmut_orig"

_module, _mutant = "", ""
_hits = os.environ.get(HITS, "")
_noted: set[str] = set()


def take(mutant: str) -> None:
    """Take a mutant from now on, here and in the programs that are started; none if it is ''."""
    global _module, _mutant
    os.environ[ACTIVE] = mutant
    _module, _, _mutant = mutant.rpartition(".")


def note(file: str) -> None:
    """Note the functions that are called from now on in a file; in none if it is ''."""
    global _hits
    os.environ[HITS] = _hits = file
    _noted.clear()


def noting() -> bool:
    """Return whether the functions that are called are noted."""
    return bool(_hits)


def _note(function: str) -> None:
    _noted.add(function)
    file = os.open(_hits, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.write(file, f"{function}\n".encode())
    os.close(file)


def wrap_in_trampoline(
    mutants: MutantDict, is_classmethod: bool = False
) -> Callable[[Function], Function]:
    """Return the decorator that mutmut puts on each function of which it has made mutants."""

    def decorate(function: Function) -> Function:
        module = function.__module__

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            chosen = mutants[ORIGINAL]
            if _hits:
                name = f"{module}.{chosen.__name__.removesuffix('_' + ORIGINAL)}"
                if name not in _noted:
                    _note(name)
            if module == _module:
                chosen = mutants.get(_mutant, chosen)
            if is_classmethod:
                return getattr(args[0], chosen.__name__)(*args[1:], **kwargs)
            return chosen(*args, **kwargs)

        return called

    return decorate


take(os.environ.get(ACTIVE, ""))
