"""Runs tests against mutants of some modules: `make mutants`, see docs/howto/testing.md.

mutmut makes the mutants in a copy of the package (mutant_code.py), and another process runs the
tests against them (mutant_runner.py). The project's data are read in place.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.mutant_code import Mutant, Project, choose, lay_out

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "orchestrator" / "memnotify"
PROJECT = Project(PACKAGE, ROOT / "tests", ROOT / "pyproject.toml")
RUNNER = Path(__file__).with_name("mutant_runner.py")


def changed(base: str) -> list[str]:
    """Return the modules that differ from those of a commit, as paths inside the package."""
    words = ["git", "diff", "--name-only", "--diff-filter=d", base, "--", str(PACKAGE)]
    names = subprocess.check_output(words, cwd=ROOT, text=True).split()
    files = [(ROOT / name).relative_to(PACKAGE) for name in names if name.endswith(".py")]
    return [str(file) for file in files if file.name != "__init__.py"]


def usual_base() -> str:
    """Return the commit to compare with: where the branch left main; on main, the one before."""

    def commit(*words: str) -> str:
        command = ["git", *words]
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
        return done.stdout.strip()

    head = commit("rev-parse", "HEAD")
    for main in ("origin/main", "main"):
        base = commit("merge-base", "HEAD", main)
        if base and base != head:
            return base
    return "HEAD~1"


def tests_of(module: str) -> list[str]:
    """Return the unit tests that import a module directly."""
    room, _, name = f"memnotify/{module}".removesuffix(".py").replace("/", ".").rpartition(".")
    imports = re.compile(
        rf"^from {re.escape(room)}\.{name} import|^from {re.escape(room)} import .*\b{name}\b",
        re.MULTILINE,
    )
    files = sorted((ROOT / "tests" / "unit").glob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if imports.search(file.read_text())]


@dataclass(frozen=True)
class Tests:
    """The tests of a run, and those that were left out."""

    count: int
    failed: list[str]  # without a mutant
    slow: list[str]


@dataclass(frozen=True)
class Result:
    mutant: Mutant
    state: str  # killed, survived, timeout, or "no tests", if none reaches the function
    seconds: float


def run(
    folder: Path,
    mutants: Sequence[Mutant],
    tests: Sequence[str],
    *,
    slow: float = 3600.0,
    patience: float = 20.0,
) -> Iterator[Tests | Result]:
    """Run tests against mutants of what `lay_out` copied into a folder; yield what comes out.

    Tests that take longer than `slow`, in seconds, are left out. A mutant has timed out if it adds
    about `patience` seconds of processor time. Raises RuntimeError if there is no result, with what
    pytest said.
    """
    plan = {"tests": tests, "mutants": [m.name for m in mutants], "slow": slow}
    (folder / "plan.json").write_text(json.dumps({**plan, "patience": patience}))
    results, log = folder / "results.jsonl", folder / "log"
    results.write_text("")
    environment = {**os.environ, "MEMNOTIFY_HOME": str(ROOT), "PYTHONPATH": str(folder / "src")}
    words = [sys.executable, "-P", str(RUNNER)]
    with (
        log.open("w") as output,
        results.open() as lines,
        subprocess.Popen(
            words, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        ) as runner,
    ):
        try:
            by_name = {mutant.name: mutant for mutant in mutants}
            read, ended = "", False
            while not ended:
                ended = runner.poll() is not None
                time.sleep(0.1)
                read += lines.read()
                *whole, read = read.split("\n")
                for line in whole:
                    yield _parsed(json.loads(line), by_name)
        finally:
            runner.terminate()
    if runner.returncode != 0:
        raise RuntimeError(log.read_text()[-4000:])


def _parsed(line: dict[str, Any], mutants: dict[str, Mutant]) -> Tests | Result:
    if "tests" in line:
        return Tests(line["tests"], line["failed"], line["slow"])
    return Result(mutants[line["mutant"]], line["state"], line["seconds"])


def killed_before(file: Path, mutants: Iterable[Mutant]) -> list[Result]:
    """Return the results of an earlier run in a file: the mutants it killed, of the same source."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    killed = {(line["mutant"], line["source"]) for line in lines if line["state"] == "killed"}
    return [Result(m, "killed", 0.0) for m in mutants if (m.name, m.source) in killed]


def report(results: Sequence[Result]) -> Iterator[str]:
    """Yield a line of figures for each module."""
    modules: dict[str, dict[str, int]] = {}
    for result in results:
        counts = modules.setdefault(result.mutant.module, {})
        counts[result.state] = counts.get(result.state, 0) + 1
    for module, counts in modules.items():
        said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        yield f"{module}: {sum(counts.values())} mutants: {said}"


def show(folder: Path, modules: list[str], tests: list[str], args: argparse.Namespace) -> int:
    """Run tests against the mutants of some modules; print those that none caught, and figures."""
    mutants = choose(lay_out(folder, PROJECT, modules), args.only, args.sample)
    results = killed_before(args.results, mutants) if args.results else []
    done = {result.mutant for result in results}
    left = [mutant for mutant in mutants if mutant not in done]
    try:
        for result in run(folder, left, tests, slow=args.slow):
            if isinstance(result, Tests):
                for why, names in (("fails", result.failed), ("is slow", result.slow)):
                    print("".join(f"left out, as it {why}: {name}\n" for name in names), end="")
                print(f"{len(left)} mutants against {result.count} tests", flush=True)
                if not result.count:
                    return 1
                continue
            results.append(result)
            mutant, state = result.mutant, result.state
            if args.results:
                line = {"mutant": mutant.name, "source": mutant.source, "state": state}
                with args.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            if state not in ("killed", "no tests"):
                print(f"\n{state}: {mutant.name}\n{mutant.diff}", flush=True)
    except RuntimeError as error:
        print(error)
        return 1
    print(*report(results), sep="\n")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", nargs="*", help="such as check/metrics.py; none: what changed")
    parser.add_argument(
        "--base", help="the commit to compare with; default: where the branch left main, or HEAD~1"
    )
    parser.add_argument("--test", action="append", help="tests to run; none: who imports a module")
    parser.add_argument(
        "--only", action="append", default=[], help="mutants to run, such as '*.x_measure__*'"
    )
    parser.add_argument("--sample", type=int, help="so many mutants of each module, evenly spread")
    parser.add_argument(
        "--slow", type=float, default=3600.0, help="leave out tests that take more seconds"
    )
    parser.add_argument(
        "--results", type=Path, help="add the results to a file, and skip what it says was killed"
    )
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and so ends the runner
    for module in args.module:
        if not (PACKAGE / module).is_file():
            parser.error(f"there is no module {module} in {PACKAGE.name}")
    if args.sample is not None and args.sample < 1:
        parser.error(f"--sample: {args.sample} is not a number of mutants")
    modules = args.module or changed(args.base or usual_base())
    tests = args.test or sorted({test for module in modules for test in tests_of(module)})
    if not tests:
        print(f"no unit test imports any of: {', '.join(modules) or 'no module has changed'}")
        return 0
    print(f"{', '.join(modules)} against {', '.join(tests)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="memnotify-mutants-") as name:
        return show(Path(name), modules, tests, args)


if __name__ == "__main__":
    sys.exit(main())
