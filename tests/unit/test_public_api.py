"""What `import memnotify` offers: names, signatures, and that they cost nothing until used."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import memnotify as mn
import pytest
from memnotify import places

FUNCTIONS = {
    "load_campaign": "(path: 'str | os.PathLike[str]') -> 'Campaign'",
    "open_run": "(path: 'str | os.PathLike[str]') -> 'Run'",
    "run_campaign": (
        "(campaign: 'Campaign | str | os.PathLike[str]', "
        "path: 'str | os.PathLike[str] | None' = None, *, jobs: 'int | None' = None, "
        "again: 'bool' = False, cold: 'bool' = False, accel: 'str' = 'auto', "
        "clock: 'str' = 'virtual', source: 'str | None' = None, cc: 'str | None' = None, "
        "quiet: 'bool' = False) -> 'Run'"
    ),
}
CLASSES = {
    "Campaign": {"machines", "path", "programs", "scenarios", "table", "text"},
    "CellResults": {
        *("balloon", "console", "detail", "figures", "folder", "kind", "log", "name", "outcome"),
        *("parameters", "reaction", "records", "samples", "timeline", "verdict", "wakeups"),
        *("which", "zones"),
    },
    "Chosen": {"lines", "log", "numbers"},
    "Run": {"cell", "cells", "damaged", "missing", "path", "reactions"},
}
ERRORS = {
    "InfrastructureError": (("kind", "text"), {"exit_code", "hint", "kind", "message"}),
    "InputError": (("text",), {"exit_code", "file", "hint", "line", "message"}),
    "MemnotifyError": (("text",), {"exit_code", "hint", "message"}),
}
METHODS = {
    "Run.cell": "(self, which: 'str | None' = None, /, **axes: 'Value') -> 'CellResults'",
    "CellResults.kind": "(self, kind: 'str') -> 'pd.DataFrame'",
    "CellResults.which": ("(self, rows: 'pd.Series[bool] | pd.DataFrame | pa.Table') -> 'Chosen'"),
    "Chosen.lines": "(self) -> 'list[str]'",
}


def test_names() -> None:
    assert set(mn.__all__) == FUNCTIONS.keys() | CLASSES.keys() | ERRORS.keys()
    assert mn.__all__ == sorted(mn.__all__)
    assert "__version__" in dir(mn)
    assert [name for name in dir(mn) if not name.startswith("_")] == mn.__all__
    with pytest.raises(AttributeError, match="has no attribute 'open_runs'"):
        _ = mn.open_runs


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    assert str(inspect.signature(getattr(mn, name))) == FUNCTIONS[name]
    assert inspect.getdoc(getattr(mn, name))


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    owner, _, method = name.partition(".")
    assert str(inspect.signature(getattr(getattr(mn, owner), method))) == METHODS[name]


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name: str) -> None:
    offered = getattr(mn, name)
    found = {*dir(offered), *inspect.get_annotations(offered)}
    assert {each for each in found if not each.startswith("_")} == CLASSES[name]
    assert inspect.getdoc(offered)


def test_everything_that_is_offered_is_in_the_manual() -> None:
    manual = (places.HOME / "docs/reference/records.md").read_text()
    told = set(re.findall(r"[A-Za-z_]+", " ".join(re.findall(r"`([^`\n]+)`", manual))))
    offered = set(mn.__all__).union(*CLASSES.values())
    assert sorted(offered - told) == []


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    arguments, offered = ERRORS[name]
    error = getattr(mn, name)(*arguments)
    assert isinstance(error, mn.MemnotifyError)
    assert {each for each in dir(error) if not each.startswith("_")} - {*dir(Exception)} == offered


def test_the_package_imports_nothing_before_it_is_used() -> None:
    code = (
        "import sys; import memnotify; before = set(sys.modules); memnotify.open_run;"
        "import json; print(json.dumps([sorted(before), sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    before, after = (set(names) for names in json.loads(done.stdout))
    assert {name for name in before if name.startswith("memnotify")} == {"memnotify"}
    assert not before & {"numpy", "pandas", "pyarrow", "pydantic"}
    assert "memnotify.results.opened" in after
    assert "pandas" not in after  # only a frame needs it


# The wire format of a scenario, which plans and manifests have, and the names of series.
STARTS_NOTHING = {
    "memnotify.guest",
    "memnotify.guest.mailbox",
    "memnotify.series.folders",
    "memnotify.series.own",
    "memnotify.series.registered",
}
STARTS = ("guest", "image", "kernel", "mailpatch", "process", "process_guard", "run", "series")


@pytest.mark.parametrize("offered", ["memnotify.open_run", "memnotify.CellResults"])
def test_reading_a_run_does_not_import_what_starts_guests(offered: str) -> None:
    code = (
        f"import sys, memnotify; {offered}; import memnotify.results.comparison;"
        "print(*(name for name in sys.modules if name.startswith('memnotify.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    found = set(done.stdout.split())
    assert "memnotify.results.frames" in found
    rooms = tuple(f"memnotify.{room}." for room in STARTS)
    started = {name for name in found if f"{name}.".startswith(rooms)}
    assert started - {"memnotify.series"} <= STARTS_NOTHING


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    def said(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "memnotify", *words], capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    code, out, _ = said("--help")
    assert code == 0 and out.startswith("usage: memnotify ")
    code, _, err = said("show", str(tmp_path))
    assert code == 2 and "is not the folder of a run" in err


def test_the_version_is_that_of_the_installed_package() -> None:
    assert mn.__version__ == version("memnotify")
    assert re.fullmatch(r"\d+\.\d+\S*", mn.__version__)


def test_a_package_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", _not_installed)
    assert mn._version() == "0+unknown"


def _not_installed(name: str) -> str:
    raise PackageNotFoundError(name)
