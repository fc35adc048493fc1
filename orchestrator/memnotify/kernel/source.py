"""The source tree of a base: fetched or given once, then kept in the store as a tarball.

Every source has the SHA-256 that its publisher states (a Debian archive's signed package lists,
kernel.org's list of checksums). For a source that the user gives, it is computed. For a source in
pieces, see `memnotify.kernel.split_source`. The digest is part of the key of every kernel built
from the source.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from memnotify.archive import look_through, pack
from memnotify.digest import digest_file, digest_tree, digest_value
from memnotify.errors import InfrastructureError, InputError, MemnotifyError
from memnotify.files import refuse_special, replace_text
from memnotify.kernel import debian
from memnotify.kernel.assemble import assemble
from memnotify.kernel.base import Base, DebianSource, KernelOrgSource, PiecesSource
from memnotify.kernel.download import Web, download, remembering, wrong_checksum
from memnotify.kernel.given import not_this_base, note_given
from memnotify.kernel.split_source import LocalPiece, fetch_pieces, given_pieces, known_digests, pin
from memnotify.kernel.stored import SOURCE, Source, kept_source, pointer, source_of
from memnotify.kernel.tarball import LIMITS, top_and_version
from memnotify.places import command
from memnotify.process import CommandFailed, CommandLog
from memnotify.series.quilt import tree_version
from memnotify.store import Artifact, Store

# Files that a build leaves behind, in 2.6.24 and in 6.1.
_TRACES = (".config", "include/config", "include/generated")

_NO_APT = "this is not a Debian system"
_NOT_LISTED = "not in this machine's package lists"

UNREACHABLE = "unreachable"
"""The kind of failure of a base whose source is not available anywhere."""

Progress = Callable[[str], None]


def named_source(given: str) -> Path:
    """Return the path given with --source. Raises InputError if it is not a tree or tarball."""
    path = Path(given).expanduser()
    refuse_special(path)
    if not (path.is_dir() or path.is_file()):
        raise InputError("no such tree or tarball", file=path)
    return path


def given_source(base: Base, given: str, *, store: Store) -> Source | None:
    """Return the stored source of a tree or tarball that the user names, or None.

    Raises InputError if the path does not exist.
    """
    path = named_source(given)
    if path.is_dir() and not (path / "Makefile").exists():
        return None  # pieces
    digest = digest_tree(path) if path.is_dir() else digest_file(path)
    artifact = store.get(SOURCE, digest_value(_given_inputs(base, digest)))
    return None if artifact is None else source_of(artifact)


def _given_inputs(base: Base, digest: str) -> dict[str, str]:
    return {"base": base.name, "given": digest}


def fetch_source(
    base: Base,
    given: str | None = None,
    *,
    store: Store,
    web: Web | None = None,
    log: CommandLog | None = None,
    progress: Progress,
) -> Source:
    """Fetch a base's source, or take the one `given`, and keep it for later builds.

    `given` is a tree, a tarball, or a folder with the pieces of the base. Raises InputError if it
    is not this base, InfrastructureError if no source in the base's file is available; the message
    lists what was tried.
    """
    if given is not None:
        artifact = _take(base, named_source(given), store, log, progress)
    else:
        artifact = _fetch(base, store, web or Web(), log, progress)
    _keep(base, artifact.key, given, store)
    return source_of(artifact)


def remember_source(base: Base, digest: str, given: str, *, store: Store) -> str | None:
    """Build a base from now on from a source that was given and used, by its digest.

    Returns a line that says so, or None if it is not in the store.
    """
    for artifact in store.listing(SOURCE):
        if artifact.inputs["base"] == base.name and artifact.facts["digest"] == digest:
            _keep(base, artifact.key, given, store)
            again = command(f"kernel fetch {base.name}")
            return f"{base.name} is built from {given} from now on; `{again}` fetches another"
    return None


def _keep(base: Base, key: str, given: str | None, store: Store) -> None:
    """Note that a base is built from the source with this key."""
    replace_text(pointer(base, store), key + "\n")
    note_given(base, key, None if given is None else named_source(given), store=store)


def ensure_source(
    base: Base,
    given: str | None,
    *,
    store: Store,
    web: Web | None = None,
    log: CommandLog | None = None,
    progress: Progress,
) -> Source:
    """Return the source to build from: `given` (this time only), the kept one, or a fetched one.

    A host that did not answer in the last minutes is not asked; `fetch_source` asks every time.
    """
    if given is not None:
        return source_of(_take(base, named_source(given), store, log, progress))
    kept = kept_source(base, store=store)
    if kept is not None:
        return kept
    # Under a lock, so that two builds on a new machine fetch it only once.
    with store.lock(f"fetch-{base.name}"):
        kept = kept_source(base, store=store)
        web = web or remembering(store)
        return kept or fetch_source(base, store=store, web=web, log=log, progress=progress)


def _facts(base: Base, tarball: Path, origin: str, digest: str | None = None) -> dict[str, str]:
    top, version = top_and_version(tarball)
    if not base.accepts(version):
        given = Path(origin) if Path(origin).is_absolute() else None
        raise not_this_base(base, version, given=given, origin=origin)
    return {
        "file": tarball.name,
        "top": top,
        "version": version,
        "origin": origin,
        "digest": digest or digest_file(tarball),
    }


def _take(
    base: Base, path: Path, store: Store, log: CommandLog | None, progress: Progress
) -> Artifact:
    if path.is_dir() and not (path / "Makefile").exists():
        for candidate in base.table.source:
            if isinstance(candidate, PiecesSource):
                return _put_together(
                    base, given_pieces(base, candidate, path), store, log, progress
                )
    if path.is_dir():
        version = tree_version(path)
        if not base.accepts(version):
            raise not_this_base(base, version, given=path)
        if any((path / name).exists() for name in _TRACES):
            raise InputError(
                "a kernel has been built in this tree", file=path, hint="run make mrproper in it"
            )
        progress(f"reading {path}")
        digest = digest_tree(path)
    else:
        digest = digest_file(path)

    def build(folder: Path) -> dict[str, str]:
        if path.is_dir():
            progress(f"packing {path} for the store")
            tarball = folder / "linux.tar"
            pack(path, tarball)
            return _facts(base, tarball, str(path.absolute()), digest)
        if debian.is_package(path):
            return _from_given_package(base, path, folder, digest, log)
        # Checked in place, so that an error names the user's file and not our copy.
        facts = _facts(base, path, str(path.absolute()), digest)
        look_through(path, facts["top"], LIMITS)
        shutil.copyfile(path, folder / path.name)
        if (copied := digest_file(folder / path.name)) != digest:
            raise wrong_checksum(str(path), digest, copied)
        return facts

    return store.publish(SOURCE, _given_inputs(base, digest), build)


def _from_given_package(
    base: Base, path: Path, folder: Path, digest: str, log: CommandLog | None
) -> dict[str, str]:
    """Take the tarball out of a user's Debian package of kernel source."""
    members = [one.member for one in base.table.source if isinstance(one, DebianSource)]
    if not members:
        raise InputError(f"a Debian package, and no Debian has {base.name}", file=path)
    if shutil.which("dpkg-deb") is None:
        raise InputError("a Debian package, and there is no dpkg-deb to unpack it", file=path)
    inside = debian.take_member(path, members, folder, log)
    try:
        facts = _facts(base, inside, str(path.absolute()), digest)
        look_through(inside, facts["top"], LIMITS)
    except InputError as error:
        if error.file != inside:
            raise  # of the user's file
        said = error.message.removeprefix(f"{inside}: ")
        raise InputError(f"{inside.name} in it: {said}", file=path) from error
    return facts


def _fetch(
    base: Base, store: Store, web: Web, log: CommandLog | None, progress: Progress
) -> Artifact:
    tried: list[str] = []
    for candidate in base.table.source:
        if tried:
            progress(tried[-1])  # the error below reports the last one
        try:
            if isinstance(candidate, DebianSource):
                return _from_debian(base, candidate, store, log, progress)
            if isinstance(candidate, KernelOrgSource):
                return _from_kernel_org(base, candidate, store, web, progress)
            return _from_pieces(base, candidate, store, web, log, progress)
        except MemnotifyError as error:
            if isinstance(error, CommandFailed) and error.timed_out:
                raise  # a slow host is no reason to use another source
            tried.append(" ".join(str(error).split()))
    raise InfrastructureError(
        UNREACHABLE,
        f"no source of {base.name} is available: {'; '.join(tried)}",
        hint="provide it yourself: "
        + command(f"kernel fetch {base.name} --source {_by_hand(base)}"),
    )


def _by_hand(base: Base) -> str:
    in_pieces = any(
        isinstance(candidate, PiecesSource) and len(candidate.piece) > 1
        for candidate in base.table.source
    )
    return "TREE-OR-TARBALL-OR-FOLDER-OF-PIECES" if in_pieces else "TREE-OR-TARBALL"


def known_offers(base: Base, *, log: CommandLog | None = None) -> list[str]:
    """Return what is known about each source of a base without a network: one phrase for each."""
    offers = []
    for candidate in base.table.source:
        if isinstance(candidate, DebianSource):
            name = f"Debian's {candidate.package}"
            if not debian.has_apt():
                offers.append(f"{name}: {_NO_APT}")
            elif (listed := debian.listed(candidate.package, log)) is None:
                offers.append(f"{name}: {_NOT_LISTED}")
            else:
                offers.append(f"{name} {listed.version} is in this machine's package lists")
        else:
            offers.append("kernel.org was not asked")
    return offers


def _from_debian(
    base: Base, candidate: DebianSource, store: Store, log: CommandLog | None, progress: Progress
) -> Artifact:
    name = candidate.package
    if not debian.has_apt():
        raise InfrastructureError("source", f"Debian's {name}: {_NO_APT}")
    listed = debian.listed(name, log)
    if listed is None:
        others = debian.kernel_sources(log)
        raise InfrastructureError(
            "source",
            f"Debian's {name}: {_NOT_LISTED}",
            hint=f"they have {', '.join(others)}" if others else "sudo apt-get update",
        )

    def build(folder: Path) -> dict[str, str]:
        work = folder.with_name("download")
        work.mkdir()
        progress(f"downloading Debian's {name} {listed.version}")
        package = debian.download(name, listed.version, work, log)
        found = digest_file(package)
        if found != listed.sha256:
            raise wrong_checksum(package.name, listed.sha256, found)
        tarball = debian.take_member(package, [candidate.member], folder, log)
        shutil.rmtree(work)
        return _facts(base, tarball, f"Debian's {name} {listed.version}")

    inputs = {
        "base": base.name,
        "package": name,
        "version": listed.version,
        "sha256": listed.sha256,
        "member": candidate.member,
    }
    return store.publish(SOURCE, inputs, build)


def _from_kernel_org(
    base: Base, candidate: KernelOrgSource, store: Store, web: Web, progress: Progress
) -> Artifact:
    sums = web.read(candidate.folder + candidate.checksums)
    listed = re.findall(rf"^([0-9a-f]{{64}})  ({candidate.file})$", sums, re.M)
    if not listed:
        raise InfrastructureError(
            "source", f"{candidate.folder}{candidate.checksums} lists no {candidate.file}"
        )
    expected, name = max(listed, key=lambda item: _numbers(item[1]))

    def build(folder: Path) -> dict[str, str]:
        url = candidate.folder + name
        progress(f"downloading {url}")
        fetched = store.folder("downloads") / name
        with store.lock(f"download-{name}"):
            download(url, fetched, expected, web=web)
            fetched.rename(folder / name)
        return _facts(base, folder / name, url)

    return store.publish(SOURCE, {"base": base.name, "file": name, "sha256": expected}, build)


def _from_pieces(
    base: Base,
    candidate: PiecesSource,
    store: Store,
    web: Web,
    log: CommandLog | None,
    progress: Progress,
) -> Artifact:
    known = known_digests(base, candidate)
    for artifact in store.listing(SOURCE):
        made_of = artifact.inputs.get("pieces", [])
        if artifact.inputs["base"] == base.name and made_of:
            there = store.get(SOURCE, artifact.key)
            if there and all(known.get(name, sha256) == sha256 for name, sha256 in made_of):
                return there
    pieces = fetch_pieces(base, candidate, store=store, web=web, progress=progress)
    try:
        artifact = _put_together(base, pieces, store, log, progress)
    except InputError as error:
        raise InfrastructureError("source", str(error)) from error
    for piece in pieces:
        piece.file.unlink(missing_ok=True)
    pin(base, pieces, progress=progress)
    return artifact


def _put_together(
    base: Base,
    pieces: Sequence[LocalPiece],
    store: Store,
    log: CommandLog | None,
    progress: Progress,
) -> Artifact:
    origin = ", ".join(piece.origin for piece in pieces)

    def build(folder: Path) -> dict[str, str]:
        if len(pieces) == 1:
            tarball = folder / pieces[0].file.name
            shutil.copyfile(pieces[0].file, tarball)
            return _facts(base, tarball, origin, pieces[0].sha256)
        progress(f"assembling {base.name}")
        tree = folder.with_name("tree")
        tree.mkdir()
        assemble([piece.file for piece in pieces], tree, log=log)
        tarball = folder / "linux.tar"
        pack(tree, tarball)
        digest = digest_tree(tree)
        shutil.rmtree(tree)
        return _facts(base, tarball, origin, digest)

    made_of = [[piece.file.name, piece.sha256] for piece in pieces]
    return store.publish(SOURCE, {"base": base.name, "pieces": made_of}, build)


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]
