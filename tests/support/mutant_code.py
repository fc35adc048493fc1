"""A copy of a package in which each mutant of some of its modules can be switched on.

mutmut makes the mutants: variants of a function that differ from it in one place.
"""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.data import LineSpan
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name

SWITCH = Path(__file__).with_name("mutant_switch.py")
MUTMUTS_SWITCH = "from mutmut.mutation.trampoline import "


@dataclass(frozen=True)
class Project:
    """Folders of a package and of its tests, and the pyproject.toml with the settings of pytest."""

    package: Path
    tests: Path
    settings: Path


@dataclass(frozen=True)
class Mutant:
    module: str  # such as check/metrics.py
    name: str  # such as memnotify.check.metrics.x_measure__mutmut_3
    source: str  # a digest of the module's text
    diff: str


def lay_out(folder: Path, project: Project, modules: Sequence[str]) -> list[Mutant]:
    """Copy a project into a folder, with the mutants of some modules; return them in order."""
    ignored = shutil.ignore_patterns("__pycache__")
    package = Path("src", project.package.name)
    shutil.copytree(project.package, folder / package, ignore=ignored)
    shutil.copytree(project.tests, folder / "tests", ignore=ignored)
    shutil.copy(project.settings, folder)
    shutil.copy(SWITCH, folder / "src")
    # mutmut wants to know where the code of a project is, and looks for it in the current folder.
    with contextlib.chdir(folder):
        return [mutant for module in modules for mutant in _mutate(package, module)]


def _mutate(package: Path, module: str) -> list[Mutant]:
    file = package / module
    text = file.read_text()
    source = hashlib.sha256(text.encode()).hexdigest()[:16]
    made = mutate_file_contents(str(file), text)
    if not made.mutant_names:  # the file stays as it is
        return []
    if made.code.count(MUTMUTS_SWITCH) != 1:
        raise RuntimeError(f"mutmut's code of {module} does not import its switch once")
    file.write_text(made.code.replace(MUTMUTS_SWITCH, "from mutant_switch import "))
    lines, spans = made.code.splitlines(), made.line_span_by_function_name

    def text_of(function: str) -> list[str]:
        span: LineSpan = spans[function]
        # Each function begins with blank lines, comments or decorators, and has its own name.
        own = [line.replace(f"{function}(", "(") for line in lines[span.start - 1 : span.end]]
        return "\n".join(own).strip("\n").splitlines()

    def diff(function: str) -> str:
        original = f"{function.rpartition('_')[0]}_orig"
        changed = difflib.unified_diff(text_of(original), text_of(function), n=1, lineterm="")
        return "\n".join([line for line in changed if not line.startswith(("---", "+++", "@@"))])

    return [
        Mutant(module, get_mutant_name(file, function), source, diff(function))
        for function in made.mutant_names
    ]


def choose(mutants: Sequence[Mutant], only: Sequence[str], sample: int | None) -> list[Mutant]:
    """Return the mutants of which a pattern matches the name, and of each module a sample of them.

    A sample is spread evenly over the module, so it is the same each time.
    """
    if only:
        mutants = [m for m in mutants if any(fnmatch.fnmatch(m.name, each) for each in only)]
    if sample is None:
        return list(mutants)
    modules: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        modules.setdefault(mutant.module, []).append(mutant)
    chosen = []
    for all_of in modules.values():
        count = min(sample, len(all_of))
        chosen += [all_of[number * len(all_of) // count] for number in range(count)]
    return chosen
