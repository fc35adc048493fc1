"""The tool behind `make mutants`, with a package of a few functions."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import mutants
from tests.support.mutant_code import Mutant, Project, choose, lay_out

SUMS = """
import os


def double(number):
    return number * 2


def is_negative(number):
    return number < 0


def down(number):
    while number > 0:
        number -= 1
    return number


def checked(number):
    if number == 5:
        os.abort()
    return number


def unused():
    return 1


def by_program():
    return 3


def table():
    return [4]


def shared():
    return {"first": 6, "second": 7}


class Sum:
    start = 0

    @classmethod
    def of(cls, *numbers):
        return cls.start + sum(numbers)


TABLE = table()
"""

TESTS = """
import subprocess
import sys

import pytest

from pack import sums


def test_double():
    assert sums.double(4) == 8


def test_is_negative():
    assert sums.is_negative(-1)
    assert not sums.is_negative(1)


def test_down():
    assert sums.down(3) == 0


def test_checked():
    assert sums.checked(4)


def test_by_program():
    code = "from pack import sums; raise SystemExit(sums.by_program())"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 3


def test_table():
    assert sums.TABLE == [4]


@pytest.fixture(scope="module")
def shared():
    return sums.shared()


def test_first(shared):
    assert shared["first"] == 6


def test_second(shared):
    assert shared["second"] == 7


def test_sum():
    assert sums.Sum.of(1, 2) == 3


def test_that_fails():
    assert sums.unused() == 2


def test_that_is_slow():
    import time

    time.sleep(1.5)
    assert sums.unused() == 1
"""


def project(folder: Path) -> Project:
    """Write a package, its tests and their settings into a folder."""
    (folder / "pack").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "pack/__init__.py").write_text("")
    (folder / "pack/sums.py").write_text(SUMS)
    (folder / "pack/constants.py").write_text("ONE = 1\n")
    (folder / "tests/test_sums.py").write_text(TESTS)
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    return Project(folder / "pack", folder / "tests", folder / "pyproject.toml")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> list[mutants.Tests | mutants.Result]:
    """Return what comes out for all mutants of the package."""
    folder = tmp_path_factory.mktemp("mutants")
    made = lay_out(folder / "copy", project(folder / "project"), ["sums.py", "constants.py"])
    tests = ["tests/test_sums.py"]
    return list(mutants.run(folder / "copy", made, tests, slow=1.0, patience=2.0))


def states(outcome: Sequence[mutants.Tests | mutants.Result], function: str) -> dict[str, str]:
    """Return the state of each mutant of a function, by the line that is new in it."""
    found = {}
    for result in outcome:
        if isinstance(result, mutants.Result) and f".x_{function}__" in result.mutant.name:
            (added,) = [line for line in result.mutant.diff.split("\n") if line.startswith("+")]
            found[added[1:].strip()] = result.state
    return found


def test_a_mutant_that_a_test_notices_is_killed(
    outcome: list[mutants.Tests | mutants.Result],
) -> None:
    assert states(outcome, "double") == {
        "return number / 2": "killed",
        "return number * 3": "killed",
    }


def test_a_mutant_that_no_test_notices_survives(
    outcome: list[mutants.Tests | mutants.Result],
) -> None:
    assert states(outcome, "is_negative") == {
        "return number <= 0": "survived",
        "return number < 1": "survived",
    }


def test_a_mutant_that_never_ends_times_out(outcome: list[mutants.Tests | mutants.Result]) -> None:
    found = states(outcome, "down")
    assert found["number += 1"] == "timeout"
    assert found["number -= 2"] == "killed"
    assert found["while number > 1:"] == "killed"


def test_a_mutant_that_crashes_is_killed(outcome: list[mutants.Tests | mutants.Result]) -> None:
    assert states(outcome, "checked") == {
        "if number != 5:": "killed",
        "if number == 6:": "survived",
    }


def test_what_only_tests_reach_that_are_left_out_has_no_tests(
    outcome: list[mutants.Tests | mutants.Result],
) -> None:
    assert states(outcome, "unused") == {"return 2": "no tests"}
    (tests,) = [each for each in outcome if isinstance(each, mutants.Tests)]
    assert tests == mutants.Tests(
        count=9,
        failed=["tests/test_sums.py::test_that_fails"],
        slow=["tests/test_sums.py::test_that_is_slow"],
    )


def test_a_program_that_a_test_starts_has_the_mutant(
    outcome: list[mutants.Tests | mutants.Result],
) -> None:
    assert states(outcome, "by_program") == {"return 4": "killed"}


def test_a_mutant_of_what_runs_in_an_import_is_imported_anew(
    outcome: list[mutants.Tests | mutants.Result],
) -> None:
    assert states(outcome, "table") == {"return [5]": "killed"}


def test_each_test_that_shares_a_fixture_reaches_what_it_does(
    outcome: list[mutants.Tests | mutants.Result],
) -> None:
    found = states(outcome, "shared")
    assert len(found) == 6
    assert set(found.values()) == {"killed"}


def test_methods_of_a_class_have_mutants(outcome: list[mutants.Tests | mutants.Result]) -> None:
    results = [each for each in outcome if isinstance(each, mutants.Result)]
    found = [each.state for each in results if "Sum" in each.mutant.name]
    assert found == ["killed"] * len(found)
    assert found


def test_only_what_is_not_killed_is_printed_and_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path)
    monkeypatch.setattr(mutants, "PROJECT", made)
    monkeypatch.setattr(mutants, "PACKAGE", made.package)
    results = tmp_path / "results"
    words = ["mutants", "sums.py", "--test", "tests/test_sums.py", "--results", str(results)]
    words += ["--only", "*.x_double__*", "--only", "*.x_is_negative__*", "--slow", "1"]
    monkeypatch.setattr(sys, "argv", words)
    shown = """
survived: pack.sums.x_is_negative__mutmut_1
 def (number):
-    return number < 0
+    return number <= 0

survived: pack.sums.x_is_negative__mutmut_2
 def (number):
-    return number < 0
+    return number < 1
sums.py: 4 mutants: 2 killed, 2 survived
"""
    for count in (4, 2):
        assert mutants.main() == 0
        printed = capsys.readouterr().out
        assert printed.startswith("sums.py against tests/test_sums.py\nleft out, as it fails: ")
        assert printed.endswith(f"\n{count} mutants against 9 tests\n{shown}")
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(lines) == 6


def test_what_was_killed_in_other_code_may_survive_in_this(tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert mutants.killed_before(results, [Mutant("a.py", "a.x_f__mutmut_1", "one", "")]) == []
    lines = (
        {"mutant": f"a.x_f__mutmut_{number}", "source": "one", "state": state}
        for number, state in enumerate(("killed", "survived", "timeout", "no tests"))
    )
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for source, killed in (("one", ["a.x_f__mutmut_0"]), ("two", [])):
        made = [Mutant("a.py", f"a.x_f__mutmut_{number}", source, "") for number in range(4)]
        found = mutants.killed_before(results, made)
        assert [each.mutant.name for each in found] == killed
        assert {each.state for each in found} <= {"killed"}


def test_tests_that_cannot_be_collected_are_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path)
    (made.tests / "test_sums.py").write_text("import nonsense\n")
    monkeypatch.setattr(mutants, "PROJECT", made)
    monkeypatch.setattr(mutants, "PACKAGE", made.package)
    monkeypatch.setattr(sys, "argv", ["mutants", "sums.py", "--test", "tests/test_sums.py"])
    assert mutants.main() == 1
    printed = capsys.readouterr().out
    assert "tests/test_sums.py" in printed
    assert "mutants: " not in printed


def test_a_sample_is_spread_over_each_module() -> None:
    made = [Mutant(module, f"{module}{n}", "", "") for module in "ab" for n in range(10)]
    assert [m.name for m in choose(made, [], 3)] == ["a0", "a3", "a6", "b0", "b3", "b6"]
    assert choose(made, [], 11) == choose(made, [], None) == made
    assert [m.name for m in choose(made, ["a[12]", "b?"], 2)] == ["a1", "a2", "b0", "b5"]
