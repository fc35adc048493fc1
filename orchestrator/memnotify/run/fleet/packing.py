"""The environment of a fleet: the packages of this one, of which a worker needs a part.

They are copied as they are installed here, so a host needs no network and no pip, and has the very
versions that the scheduler has. docs/decisions/fleet.md says what else was considered.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import json
import platform
import re
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from memnotify import __version__
from memnotify.digest import digest_file, digest_value
from memnotify.environment import PYTHON
from memnotify.errors import InfrastructureError
from memnotify.extras import extra
from memnotify.process import CommandLog, run
from memnotify.run.storage import ENVIRONMENT
from memnotify.store import Store

_OWN = "memnotify"
_WORKER = "distributed"  # of the extra, all that a worker needs
_PACKAGE = Path(__file__).resolve().parents[2]
_CHECKOUT = _PACKAGE.parents[1]
_ARCHIVE = "packages.tar.gz"
_KEPT = 1 << 30  # bytes
_UNUSED = {"tests", "include", "__pycache__"}
_BUILD_S = 300


def packages(store: Store) -> Path:
    """Return an archive of the packages that a worker imports, except our own; made if it is new.

    Raises InfrastructureError if a package here is not one that can be copied.
    """
    needed = _needed()
    inputs = {
        "python": [*sys.version_info[:3], platform.machine()],
        "packages": sorted(f"{one.name} {one.version} {_contents(one)}" for one in needed),
    }

    def build(folder: Path) -> dict[str, Any]:
        # Compressed quickly: more time would hardly make it smaller.
        with tarfile.open(folder / _ARCHIVE, "w:gz", compresslevel=1) as archive:
            for distribution in needed:
                for name, path in _files(distribution):
                    archive.add(path, name, recursive=False)
        return {"packages": len(needed)}

    artifact = store.publish(ENVIRONMENT, inputs, build)
    store.prune(ENVIRONMENT, budget=_KEPT)
    return artifact.file(_ARCHIVE)


def own_package(file: Path, log: CommandLog) -> None:
    """Write an archive of our own package, of which a checkout has no fixed state."""
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        _add_own(archive, log)


def _contents(distribution: Distribution) -> str:
    """Return a digest of a package's files as they are: RECORD has those of when it was installed.

    Compiled modules are made of the others, whenever one is imported first.
    """
    files = [(name, path) for name, path in _files(distribution) if path.suffix != ".pyc"]
    return digest_value([[name, digest_file(path)] for name, path in files])


def _refuse_elsewhere(distribution: Distribution) -> None:
    """Raise InfrastructureError for a package whose files are in a folder of a developer."""
    try:
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return
    if told.get("dir_info", {}).get("editable"):
        text = (
            f"{distribution.name} is installed in editable mode, so it cannot be copied to a host"
        )
        raise InfrastructureError("missing", text, hint="install it with pip, without -e")


def _needed() -> list[Distribution]:
    """Return the packages of this environment that a worker imports, except our own."""
    with extra("fleet", "memnotify fleet"):
        from packaging.requirements import Requirement

        importlib.import_module(_WORKER)
    found: dict[str, Distribution] = {}
    todo = [*(importlib.metadata.requires(_OWN) or ()), _WORKER]
    while todo:
        needed = Requirement(todo.pop())
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        name = re.sub(r"[-_.]+", "-", needed.name).lower()
        if name in found or name == _OWN:
            continue
        try:
            found[name] = importlib.metadata.distribution(needed.name)
        except importlib.metadata.PackageNotFoundError as error:
            text = f"{needed.name} is not installed here, so no host can have it"
            raise InfrastructureError("missing", text) from error
        _refuse_elsewhere(found[name])
        todo += found[name].requires or ()
    return list(found.values())


def _files(distribution: Distribution) -> Iterator[tuple[str, Path]]:
    """Yield the files of a package below site-packages, and its compiled modules."""
    if distribution.files is None:
        text = f"{distribution.name} has no list of its files, so it cannot be copied to a host"
        raise InfrastructureError("missing", text, hint="install memnotify with pip or pipx")
    for entry in distribution.files:
        path = Path(str(entry.locate()))
        if entry.parts[0] == ".." or _UNUSED & set(entry.parts) or not path.is_file():
            continue  # a program or a manual page, or what no worker reads
        yield entry.as_posix(), path
        if entry.suffix == ".py":
            compiled = Path(importlib.util.cache_from_source(str(path)))
            if compiled.is_file():
                yield (entry.parent / "__pycache__" / compiled.name).as_posix(), compiled


def _add_own(archive: tarfile.TarFile, log: CommandLog) -> None:
    """Add our own package: from a wheel of the checkout that runs, else as it is installed."""
    if not (_CHECKOUT / "pyproject.toml").is_file():
        for name, path in _files(importlib.metadata.distribution(_OWN)):
            archive.add(path, name, recursive=False)
        return
    with tempfile.TemporaryDirectory(prefix="memnotify-wheel-") as folder:
        # As `make dist` does; what is not committed is in it too.
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        # What runs here has the version of when it was installed, and hosts must have the same.
        version = {"SETUPTOOLS_SCM_PRETEND_VERSION": __version__}
        run(build, cwd=_CHECKOUT, timeout=_BUILD_S, log=log, allow=[PYTHON], env=version)
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            for info in packed.infolist():
                if info.is_dir() or ".data/" in info.filename:  # manual pages
                    continue
                entry = tarfile.TarInfo(info.filename)
                entry.size, entry.mode = info.file_size, 0o644
                archive.addfile(entry, io.BytesIO(packed.read(info)))
