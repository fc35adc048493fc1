"""Upstream tarballs of Debian's source packages, fetched by apt and held to the digests we pin.

apt lists source packages only where it is told to. So it is told here, in a folder of its own, the
same places that this machine has its packages from; the machine's own lists stay as they are.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from memnotify import places
from memnotify.digest import digest_file
from memnotify.environment import NETWORK
from memnotify.errors import InfrastructureError
from memnotify.process import CommandFailed, CommandLog, run
from memnotify.store import Artifact, Store
from memnotify.toml import load

KIND = "upstream"
"""The kind of these artifacts in the store; each has one tarball."""

_Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_TIMEOUT = 900.0


class Pins(BaseModel):
    """images/debug/tools.toml: for each package the tarballs that we know, and their SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    busybox: Mapping[str, _Digest]
    dropbear: Mapping[str, _Digest]


def pins() -> Pins:
    """Return what the project pins. Raises InputError if the file is not valid."""
    return load(places.IMAGES / "debug" / "tools.toml", Pins)


def ensure_upstream(package: str, *, store: Store, log: CommandLog) -> tuple[Path, str]:
    """Return the upstream tarball of a source package, and its digest; fetch it if it is missing.

    Raises InfrastructureError if no pinned tarball is available, or one is another file.
    """
    known: Mapping[str, str] = getattr(pins(), package)
    for name, digest in known.items():
        kept = next((one for one in store.listing(KIND) if one.inputs == {name: digest}), None)
        if kept is not None and (found := store.get(KIND, kept.key)) is not None:
            return found.file(name), digest
    with tempfile.TemporaryDirectory(prefix="memnotify-") as folder:
        tarball = _fetched(package, Path(folder), known, log)
        digest = known[tarball.name]
        if (actual := digest_file(tarball)) != digest:
            raise InfrastructureError(
                KIND, f"{tarball.name} of Debian's {package} is another file: SHA-256 {actual}"
            )
        found = _publish(tarball, digest, store)
    return found.file(tarball.name), digest


def _publish(tarball: Path, digest: str, store: Store) -> Artifact:
    def build(folder: Path) -> dict[str, int]:
        shutil.copyfile(tarball, folder / tarball.name)
        return {"bytes": tarball.stat().st_size}

    return store.publish(KIND, {tarball.name: digest}, build)


def _fetched(package: str, folder: Path, known: Mapping[str, str], log: CommandLog) -> Path:
    if shutil.which("apt-get") is None:
        raise InfrastructureError(
            KIND, f"{package} is built from Debian's source package, and there is no apt-get"
        )
    lists, cache, out = (
        folder / name for name in ("lists/partial", "cache/archives/partial", "out")
    )
    for path in (lists, cache, out):
        path.mkdir(parents=True)
    options = [f"-oDir::State::lists={lists.parent}", f"-oDir::Cache={cache.parent.parent}"]
    options += [f"-oDir::Etc::sourceparts={_source_lists(folder, log)}"]
    options += ["-oDir::Etc::sourcelist=/dev/null", "-oAPT::Get::List-Cleanup=0"]
    try:
        for words in (["update"], ["source", "--download-only", "--tar-only", package]):
            run(
                ["apt-get", "-q", *options, *words],
                cwd=out,
                allow=[NETWORK],
                timeout=_TIMEOUT,
                log=log,
            )
    except CommandFailed as error:
        errors = [line for line in error.done.stderr.splitlines() if line.startswith("E: ")]
        said = (errors or [error.message])[0].removeprefix("E: ")
        raise InfrastructureError(KIND, f"the source of Debian's {package}: {said}") from error
    found = sorted(path.name for path in out.glob("*.orig.tar.*"))
    usable = [name for name in found if name in known]
    if not usable:
        raise InfrastructureError(
            KIND,
            f"Debian here has {', '.join(found) or f'no tarball of {package}'}; "
            f"images/debug/tools.toml knows {', '.join(known)}",
        )
    return out / usable[0]


def _source_lists(folder: Path, log: CommandLog) -> Path:
    """Write the machine's places of packages as places of source packages; return the folder."""
    made = folder / "sources"
    made.mkdir()
    told = run(
        [
            "apt-config",
            "shell",
            "FILE",
            "Dir::Etc::sourcelist/f",
            "PARTS",
            "Dir::Etc::sourceparts/d",
        ],
        allow=[NETWORK],
        timeout=60,
        log=log,
    ).stdout
    names = dict(re.findall(r"^(\w+)='(.*)'$", told, re.MULTILINE))
    files = [Path(names.get("FILE", "")), *sorted(Path(names.get("PARTS", "")).glob("*"))]
    for number, file in enumerate(files):
        if not file.is_file() or file.suffix not in (".list", ".sources"):
            continue
        text = file.read_text(encoding="utf-8")
        text = re.sub(r"^Types:.*$", "Types: deb-src", text, flags=re.MULTILINE)
        text = re.sub(r"^deb\s", "deb-src ", text, flags=re.MULTILINE)
        (made / f"{number}{file.suffix}").write_text(text, encoding="utf-8")
    return made
