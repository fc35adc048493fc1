"""Runs mutmut over some modules of the package: `make mutants`, see docs/testing.md.

mutmut finds a package only beside the tests or in `src`. So it gets a copy of the package and of
the tests in a separate folder, in which `orchestrator` is called `src`; the project's data are read
in place.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "orchestrator" / "memnotify"
MUTMUT = Path(sys.executable).with_name("mutmut")
CONFIG = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = {modules}
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist"]
timeout_constant = 30.0
timeout_multiplier = 30.0
"""


def changed(base: str) -> list[str]:
    """Return the modules that differ from those of a commit, as paths inside the package."""
    words = ["git", "diff", "--name-only", "--diff-filter=d", base, "--", str(PACKAGE)]
    names = subprocess.check_output(words, cwd=ROOT, text=True).split()
    files = [(ROOT / name).relative_to(PACKAGE) for name in names if name.endswith(".py")]
    return [str(file) for file in files if file.name != "__init__.py"]


def tests_of(module: str) -> list[str]:
    """Return the unit tests that import a module directly."""
    room, _, name = f"memnotify/{module}".removesuffix(".py").replace("/", ".").rpartition(".")
    imports = re.compile(
        rf"^from {re.escape(room)}\.{name} import|^from {re.escape(room)} import .*\b{name}\b",
        re.MULTILINE,
    )
    files = sorted((ROOT / "tests" / "unit").glob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if imports.search(file.read_text())]


def lay_out(folder: Path, modules: Sequence[str], tests: Sequence[str]) -> None:
    """Copy what mutmut needs into a folder."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "src" / "memnotify", ignore=ignored)
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=ignored)
    config = CONFIG.format(
        modules=json.dumps([f"src/memnotify/{module}" for module in modules]),
        tests=json.dumps(list(tests)),
    )
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + config)
    tomllib.loads(config)


def mutate(folder: Path, only: Sequence[str]) -> int:
    """Run mutmut; print each mutant that no test noticed, and the figures of each module.

    `only` has names of mutants to run, or patterns of them; none: all.
    """
    environment = {**os.environ, "MEMNOTIFY_HOME": str(ROOT), "PYTHONPATH": ""}

    def mutmut(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MUTMUT, *words], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE
        )

    done = mutmut("run", "--max-children", "1", *only)
    if done.returncode != 0:
        print(done.stdout.replace("\r", "\n")[-4000:])
        return 1
    figures: dict[str, dict[str, int]] = {}
    for name, state in re.findall(r"^ *(\S+): (.+)$", mutmut("results", "--all", "1").stdout, re.M):
        if state == "not checked":  # is not one of `only`
            continue
        module = name.partition(".x")[0]
        counts = figures.setdefault(module, {})
        counts[state] = counts.get(state, 0) + 1
        if state not in ("killed", "caught by type check", "no tests"):
            print(f"\n{state}: {name}\n{mutmut('show', name).stdout}")
    for module, counts in figures.items():
        said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        print(f"{module}: {sum(counts.values())} mutants: {said}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", nargs="*", help="such as check/metrics.py; none: what changed")
    parser.add_argument("--base", default="main", help="the commit to compare with")
    parser.add_argument("--test", action="append", help="tests to run; none: who imports a module")
    parser.add_argument(
        "--only", action="append", default=[], help="mutants to run, such as '*.x_measure__*'"
    )
    args = parser.parse_args()
    modules = args.module or changed(args.base)
    tests = args.test or sorted({test for module in modules for test in tests_of(module)})
    if not tests:
        print(f"no unit test imports any of: {', '.join(modules) or 'no module has changed'}")
        return 0
    print(f"{', '.join(modules)} against {', '.join(tests)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="memnotify-mutants-") as name:
        lay_out(Path(name), modules, tests)
        return mutate(Path(name), args.only)


if __name__ == "__main__":
    sys.exit(main())
