"""What a worker gets: the packages that it imports, and memnotify as it is here."""

from __future__ import annotations

import importlib.metadata
import py_compile
import tarfile
from importlib.metadata import Distribution
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import memnotify
import pytest
from memnotify.errors import InfrastructureError
from memnotify.process import CommandLog
from memnotify.run.fleet import packing
from memnotify.store import Store


def test_a_worker_gets_what_it_imports_and_nothing_else() -> None:
    names = {one.name.lower() for one in packing._needed()}
    assert {"distributed", "dask", "tornado", "msgpack", "numpy", "pyarrow", "pydantic"} <= names
    assert not {"memnotify", "fabric", "paramiko", "pytest", "mypy", "scipy", "altair"} & names


def test_files_of_a_package_are_named_from_site_packages() -> None:
    found = dict(packing._files(importlib.metadata.distribution("distributed")))
    assert found["distributed/nanny.py"].is_file()
    assert not [name for name in found if name.startswith(("..", "/")) or "/tests/" in name]
    assert any(name.endswith("METADATA") for name in found)


def test_compiled_modules_come_with_their_sources() -> None:
    """Else each worker would compile thousands of files."""
    found = dict(packing._files(importlib.metadata.distribution("numpy")))
    compiled = [name for name in found if name.endswith(".pyc")]
    there = Path(found["numpy/__init__.py"]).parent / "__pycache__"
    assert bool(compiled) == there.is_dir()


def test_a_package_without_a_list_of_files_is_refused() -> None:
    package = cast(Distribution, SimpleNamespace(files=None, name="odd"))
    with pytest.raises(InfrastructureError, match="odd has no list of its files"):
        list(packing._files(package))


def test_the_packages_are_packed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [importlib.metadata.distribution("toolz")]
    monkeypatch.setattr(packing, "_needed", lambda: few)
    store = Store(tmp_path)
    file = packing.packages(store)
    before = file.stat().st_mtime_ns
    assert packing.packages(store) == file and file.stat().st_mtime_ns == before
    with tarfile.open(file) as archive:
        assert "toolz/__init__.py" in archive.getnames()
    few.append(importlib.metadata.distribution("locket"))
    assert packing.packages(store) != file


def installed(folder: Path, name: str) -> Path:
    """Install a made-up package; return its module."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{name}.py,sha256=AAAA,6\n{info.name}/METADATA,,\n")
    module = folder / f"{name}.py"
    module.write_text("A = 1\n")
    return module


def test_a_package_that_was_changed_in_place_is_packed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = installed(tmp_path / "site", "odd")
    (odd,) = importlib.metadata.distributions(path=[str(tmp_path / "site")])
    monkeypatch.setattr(packing, "_needed", lambda: [odd])
    store = Store(tmp_path / "store")
    before = packing.packages(store)
    py_compile.compile(str(module))  # which an import does, and which changes nothing
    assert packing.packages(store) == before
    module.write_text("A = 2\n")
    after = packing.packages(store)
    assert after != before
    with tarfile.open(after) as archive:
        member = archive.extractfile("odd.py")
        assert member is not None and member.read() == b"A = 2\n"


def test_a_package_that_is_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "odd")
    told = '{"url": "file:///home/me/odd", "dir_info": {"editable": true}}'
    (tmp_path / "odd-1.0.dist-info/direct_url.json").write_text(told)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(packing, "_WORKER", "odd")
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["odd"])
    with pytest.raises(InfrastructureError, match="odd is installed in editable mode") as caught:
        packing._needed()
    assert "without -e" in str(caught.value)


def test_a_checkout_is_packed_as_it_is_with_the_version_that_runs(tmp_path: Path) -> None:
    file = tmp_path / "own.tar.gz"
    packing.own_package(file, CommandLog())
    with tarfile.open(file) as archive:
        names = archive.getnames()
        [head] = [name for name in names if name.endswith(".dist-info/METADATA")]
        member = archive.extractfile(head)
        assert member is not None
        assert f"Version: {memnotify.__version__}\n" in member.read().decode()
    assert {"memnotify/run/fleet/there.py", "memnotify/data/campaigns/demo.toml"} <= set(names)
    assert not [name for name in names if ".data/" in name]
