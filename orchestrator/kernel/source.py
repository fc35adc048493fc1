"""Where the tree of a base comes from: fetched or given once, then kept in the store as a tarball.

Every source has the SHA-256 that its publisher states (a Debian archive's signed package lists,
kernel.org's list of checksums) or, for one given by hand, the one that it has; it is part of the
key of every kernel built from it.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.errors import InfrastructureError, InputError, MemnotifyError
from orchestrator.kernel.archive import pack, top_and_version
from orchestrator.kernel.base import Base, DebianSource, KernelOrgSource
from orchestrator.process import CommandFailed, CommandLog, run
from orchestrator.series.quilt import tree_version
from orchestrator.store import Artifact, Store, digest_file, digest_tree

KIND = "source"
_PATIENCE = 30.0  # seconds without a byte
_DOWNLOAD = 3600.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A kernel tree in a tarball, below its folder `top`.

    `digest` is the SHA-256 of what was given: the tarball, or the tree (`store.digest_tree`).
    """

    base: str
    digest: str
    tarball: Path
    top: str
    version: str
    origin: str


def kept_source(base: Base, *, store: Store) -> Source | None:
    """Return the source that was fetched last, if it is in the store."""
    try:
        key = _pointer(base, store).read_text().strip()
    except FileNotFoundError:
        return None
    artifact = store.get(KIND, key)
    return None if artifact is None else _source(artifact)


def fetch_source(
    base: Base,
    given: str | None = None,
    *,
    store: Store,
    log: CommandLog | None = None,
    progress: Progress,
) -> Source:
    """Fetch a base's source, or take the tree or tarball `given`, and keep it for later builds.

    Raises InputError if what was given is not this base, InfrastructureError if no candidate of
    the base's file can be had; its message says what was tried.
    """
    if given is not None:
        artifact = _take(base, Path(given).expanduser(), store, progress)
    else:
        artifact = _fetch(base, store, log, progress)
    pointer = _pointer(base, store)
    fresh = pointer.with_name(f".{pointer.name}.{os.getpid()}")
    fresh.write_text(artifact.key + "\n")
    fresh.replace(pointer)
    return _source(artifact)


def ensure_source(
    base: Base,
    given: str | None,
    *,
    store: Store,
    log: CommandLog | None = None,
    progress: Progress,
) -> Source:
    """Return the source to build from: `given` for this once, else the kept one, else fetched."""
    if given is not None:
        return _source(_take(base, Path(given).expanduser(), store, progress))
    kept = kept_source(base, store=store)
    if kept is not None:
        return kept
    # Under a lock: two builds on a fresh machine fetch once.
    with store.lock(f"fetch-{base.name}"):
        kept = kept_source(base, store=store)
        return kept or fetch_source(base, store=store, log=log, progress=progress)


def _pointer(base: Base, store: Store) -> Path:
    return store.folder("sources") / base.name


def _source(artifact: Artifact) -> Source:
    facts = artifact.facts
    return Source(
        base=str(artifact.inputs["base"]),
        digest=str(facts["digest"]),
        tarball=artifact.file(str(facts["file"])),
        top=str(facts["top"]),
        version=str(facts["version"]),
        origin=str(facts["origin"]),
    )


def _facts(base: Base, tarball: Path, origin: str, digest: str | None = None) -> dict[str, str]:
    top, version = top_and_version(tarball)
    if not base.accepts(version):
        raise InputError(f"{origin} is Linux {version}, which is not {base.name}")
    return {
        "file": tarball.name,
        "top": top,
        "version": version,
        "origin": origin,
        "digest": digest or digest_file(tarball),
    }


def _take(base: Base, path: Path, store: Store, progress: Progress) -> Artifact:
    if path.is_dir():
        version = tree_version(path)
        if not base.accepts(version):
            raise InputError(f"this is Linux {version}, which is not {base.name}", file=path)
        if (path / ".config").exists() or (path / "include/generated").exists():
            raise InputError("this tree has been built in", file=path, hint="run make mrproper")
        progress(f"reading {path}")
        digest = digest_tree(path)
    elif path.is_file():
        digest = digest_file(path)
    else:
        raise InputError("there is no such tree or tarball", file=path)

    def build(folder: Path) -> dict[str, str]:
        if path.is_dir():
            tarball = folder / "linux.tar"
            pack(path, tarball)
        else:
            tarball = folder / path.name
            shutil.copyfile(path, tarball)
        return _facts(base, tarball, str(path.absolute()), digest)

    return store.publish(KIND, {"base": base.name, "given": digest}, build)


def _fetch(base: Base, store: Store, log: CommandLog | None, progress: Progress) -> Artifact:
    tried = []
    for candidate in base.table.source:
        try:
            if isinstance(candidate, DebianSource):
                return _from_debian(base, candidate, store, log, progress)
            return _from_kernel_org(base, candidate, store, progress)
        except MemnotifyError as error:
            tried.append(" ".join(str(error).split()))
            progress(tried[-1])
    raise InfrastructureError(
        "unreachable",
        f"no source of {base.name} can be had: {'; '.join(tried)}",
        hint=f"give it by hand: memnotify kernel fetch {base.name} --source TREE-OR-TARBALL",
    )


def _from_debian(
    base: Base, candidate: DebianSource, store: Store, log: CommandLog | None, progress: Progress
) -> Artifact:
    name = candidate.package
    if shutil.which("apt-get") is None:
        raise InfrastructureError("source", f"Debian's {name}: this is not a Debian system")
    listed = run(
        ["apt-cache", "show", "--no-all-versions", name],
        env={"LC_ALL": "C"},
        timeout=60,
        log=log,
        check=False,
    ).stdout
    fields = dict(re.findall(r"^(Package|Version|SHA256): (\S+)$", listed, re.M))
    if fields.get("Package") != name or not {"Version", "SHA256"} <= fields.keys():
        raise InfrastructureError(
            "source",
            f"Debian's {name}: not in this machine's package lists",
            hint="sudo apt-get update",
        )
    version, expected = fields["Version"], fields["SHA256"]

    def build(folder: Path) -> dict[str, str]:
        work = folder.with_name("download")
        work.mkdir()
        progress(f"downloading Debian's {name} {version}")
        try:
            run(
                ["apt-get", "-q", "download", f"{name}={version}"],
                cwd=work,
                env={"LC_ALL": "C"},
                timeout=_DOWNLOAD,
                log=log,
            )
        except CommandFailed as error:
            said = [line for line in error.done.stdout.splitlines() if line.startswith("E: ")]
            raise InfrastructureError(
                "source",
                f"Debian's {name}: {(said or [error.message])[0].removeprefix('E: ')}",
                hint="are the package lists old? sudo apt-get update",
            ) from error
        (package,) = work.glob("*.deb")
        found = digest_file(package)
        if found != expected:
            raise _wrong_checksum(package.name, expected, found)
        run(["dpkg-deb", "--extract", package, work / "unpacked"], timeout=600, log=log)
        tarball = folder / Path(candidate.member).name
        (work / "unpacked" / candidate.member).rename(tarball)
        shutil.rmtree(work)
        return _facts(base, tarball, f"Debian's {name} {version}")

    inputs = {
        "base": base.name,
        "package": name,
        "version": version,
        "sha256": expected,
        "member": candidate.member,
    }
    return store.publish(KIND, inputs, build)


def _from_kernel_org(
    base: Base, candidate: KernelOrgSource, store: Store, progress: Progress
) -> Artifact:
    sums = _read_url(candidate.folder + candidate.checksums).decode(errors="replace")
    listed = re.findall(rf"^([0-9a-f]{{64}})  ({candidate.file})$", sums, re.M)
    if not listed:
        raise InfrastructureError(
            "source", f"{candidate.folder}{candidate.checksums} lists no {candidate.file}"
        )
    expected, name = max(listed, key=lambda item: _numbers(item[1]))

    def build(folder: Path) -> dict[str, str]:
        url = candidate.folder + name
        progress(f"downloading {url}")
        download(url, folder / name, expected)
        return _facts(base, folder / name, url)

    return store.publish(KIND, {"base": base.name, "file": name, "sha256": expected}, build)


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _wrong_checksum(name: str, expected: str, found: str) -> InfrastructureError:
    return InfrastructureError(
        "checksum", f"{name}: its SHA-256 is {found}, but {expected} was expected; thrown away"
    )


def _open_url(url: str) -> IO[bytes]:
    response: IO[bytes] = urllib.request.urlopen(url, timeout=_PATIENCE)
    return response


def _unreachable(url: str, error: Exception) -> InfrastructureError:
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        return InfrastructureError("source", f"{url}: {error.reason}")
    return InfrastructureError("source", f"{url}: {error}")


def _read_url(url: str) -> bytes:
    try:
        with _open_url(url) as response:
            return response.read()
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error


def download(url: str, target: Path, sha256: str) -> None:
    """Download a file; it is there under its name only when it is whole and has this checksum.

    Raises InfrastructureError if it cannot be had or is another file; then nothing is left.
    """
    part = target.with_name(target.name + ".part")
    total = hashlib.sha256()
    try:
        try:
            with _open_url(url) as response, part.open("wb") as file:
                for block in _blocks(response):
                    total.update(block)
                    file.write(block)
        except (urllib.error.URLError, TimeoutError, http.client.HTTPException) as error:
            raise _unreachable(url, error) from error
        if total.hexdigest() != sha256:
            raise _wrong_checksum(url, sha256, total.hexdigest())
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def _blocks(response: IO[bytes]) -> Iterable[bytes]:
    while block := response.read(1 << 20):
        yield block
