"""The files of the guest program lie in layers: none needs a file that needs it."""

from __future__ import annotations

import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from memnotify.image import example, program
from memnotify.model import Arch
from memnotify.process import run
from memnotify.store import Store

_INCLUDE = re.compile(r'^#include "(\w+\.h)"$', re.M)


def _objects(files: list[Path], folder: Path) -> None:
    """Compile each C file into an object of its name, with the flags of the image."""
    cache = str(Store().folder("zig-cache"))
    (folder / example.INCLUDED).write_text(example.usage_example(example.mail()))
    compiler = (
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        *program.TARGETS[Arch.X86_64],
        *program._FLAGS,
    )
    for path in files:
        run(
            [*compiler, "-I", folder, "-c", "-o", folder / f"{path.stem}.o", path],
            env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
            timeout=300,
        )


def _symbols(objects: list[Path], which: str) -> dict[str, set[str]]:
    """The global symbols of each object, by the name of its C file."""
    text = run(["nm", "-A", "-g", "-P", which, *objects], timeout=20).stdout
    found: dict[str, set[str]] = {f"{path.stem}.c": set() for path in objects}
    for line in text.splitlines():
        path, symbol = line.split()[:2]
        found[f"{Path(path.rstrip(':')).stem}.c"].add(symbol)
    return found


def needs(sources: list[Path], folder: Path) -> dict[str, set[str]]:
    """Return the files that each file needs: those it includes, and those whose symbols it uses."""
    files = [path for path in sources if path.suffix == ".c"]
    _objects(files, folder)
    objects = [folder / f"{path.stem}.o" for path in files]
    home = {
        symbol: name
        for name, symbols in _symbols(objects, "--defined-only").items()
        for symbol in symbols
    }
    used = _symbols(objects, "--undefined-only")
    return {
        path.name: {
            *_INCLUDE.findall(path.read_text()),
            *(home[symbol] for symbol in used.get(path.name, ()) if symbol in home),
        }
        for path in sources
    }


def test_no_file_needs_one_that_needs_it(tmp_path: Path) -> None:
    graph = needs(list(program.sources()), tmp_path)
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) == set(graph)
    assert order[-1] == "main.c"
    assert {"agent.h", "shared.c"} == graph["fail.c"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("int a(void) { return b(); }", "int b(void) { return a(); }"),
        ("int data; int a(void) { return b(); }", "int b(void) { return data; }"),
    ],
    ids=["calls", "data"],
)
def test_a_circle_is_found(tmp_path: Path, one: str, other: str) -> None:
    (tmp_path / "all.h").write_text("extern int data;\nint a(void);\nint b(void);\n")
    sources = [tmp_path / "all.h", tmp_path / "one.c", tmp_path / "other.c"]
    for path, text in zip(sources[1:], (one, other), strict=True):
        path.write_text(f'#include "all.h"\n{text}\n')
    graph = needs(sources, tmp_path)
    assert graph == {
        "all.h": set(),
        "one.c": {"all.h", "other.c"},
        "other.c": {"all.h", "one.c"},
    }
    with pytest.raises(CycleError, match=r"one\.c"):
        TopologicalSorter(graph).prepare()
