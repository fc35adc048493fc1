"""Series of patches on disk: quilt's `series` files, one folder for each revision and base."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from memnotify.digest import digest_file, digest_value
from memnotify.errors import InputError
from memnotify.files import read_bytes, read_text
from memnotify.places import PATCHES, beside, command, data_files, only_one
from memnotify.series import own as users
from memnotify.series import registered as own
from memnotify.series.folders import NAMES as NAMES
from memnotify.series.folders import PENDING as PENDING
from memnotify.series.folders import SERIES as SERIES
from memnotify.series.folders import (
    check_whole,
    is_series_folder,
    no_series,
    numbered,
    series_folders,
)
from memnotify.text import known_names

NONE = "none"
CONFIG = "config"
MEM_NOTIFY = PATCHES / "mem_notify"
_NO_ADDRESS = b" <>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One patch of a series; `fuzz` is how much fuzz the series allows.

    `sha256` is that of its file without the `<>` of an author without an address.
    If `only` is not empty, only these of its files are changed; the rest of the patch is left out.
    """

    path: Path
    sha256: str
    fuzz: int = 0
    only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The patches that turn a base into a revision, in order.

    `config` is a fragment with the options that its kernel needs besides those of the base.
    """

    revision: str
    base: str
    patches: tuple[Patch, ...] = ()
    config: Path | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over the content of the patches, their fuzz, and the options."""
        options = [[digest_file(self.config)]] if self.config else []
        return digest_value([[patch.sha256, patch.fuzz] for patch in self.patches] + options)


def roots(root: Path = MEM_NOTIFY) -> tuple[Path, ...]:
    """Return the folders of revisions: `root` and, beside memnotify's own, the user's."""
    return beside(root, "patches/mem_notify") if root == MEM_NOTIFY else (root,)


def port_of(revision: str, base: str, *, root: Path = MEM_NOTIFY) -> Path | None:
    """Return the folder with the patches of a revision for a base, if there is one.

    Raises InputError if there are several.
    """
    there = [at / revision / base / SERIES for at in roots(root)]
    file = only_one([file for file in there if file.is_file()], f"series {revision} for {base}")
    return None if file is None else file.parent


def revisions(root: Path = MEM_NOTIFY) -> dict[str, tuple[str, ...]]:
    """Return every revision except `none`, which fits every base, with the bases that it is for.

    The originals that the user has registered are included. Raises InputError if the project's own
    are missing.
    """
    pattern = f"*/*/{SERIES}"
    # A folder of somebody else's, as bisect makes one, may have no series yet.
    is_another = root != MEM_NOTIFY and root.is_dir()
    files = sorted(root.glob(pattern)) if is_another else data_files(root, pattern)
    files += [file for other in roots(root)[1:] for file in sorted(other.glob(pattern))]
    found: dict[str, tuple[str, ...]] = {}
    for file in files:
        name = file.parent.parent.name
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), file.parent.name)))
    known = {name: bases for name, bases in found.items() if name != NONE}
    added = own.registered() if root == MEM_NOTIFY else {}
    return known | {name: bases for name, bases in added.items() if name not in known}


def is_known(name: str, *, root: Path = MEM_NOTIFY) -> bool:
    """Return whether there is a series of this name: a revision, or a copy of a user's own."""
    return name in (NONE, *revisions(root)) or (root == MEM_NOTIFY and users.is_own(name))


def folder_of(revision: str, *, root: Path = MEM_NOTIFY) -> Path:
    """Return the first folder of a revision, whether it exists or not."""
    there = [at / revision for at in roots(root) if (at / revision).is_dir()]
    is_own = root == MEM_NOTIFY and not there and revision in own.registered()
    return there[0] if there else (own.root() if is_own else root) / revision


def bases_of(revision: str, *, root: Path = MEM_NOTIFY) -> tuple[str, ...]:
    """Return the bases that a revision is for. Raises InputError if there is no such revision."""
    if root == MEM_NOTIFY and users.is_own(revision):
        return users.bases(revision)
    known = revisions(root)
    if revision not in known:
        wanted = own.asked_for(revision)
        hint = known_names(revision, [NONE, *known])
        if root == MEM_NOTIFY:
            hint = f"{hint}; {_places(revision)}"
        if wanted in known:
            hint = f"run `{command(f'series originals {wanted}')}` to make it from the mails"
        raise InputError(f"there is no series {revision}", hint=hint)
    return known[revision]


def _places(name: str) -> str:
    """Return where a series of the user's own could be for a command or a campaign to find it."""
    return (
        f"one of your own is named by its folder, ./{name}, or by a range, "
        f"git:TREE#BASE..{name}: see docs/howto/own-patch.md"
    )


def load_series(revision: str, base: str, *, root: Path = MEM_NOTIFY) -> Series:
    """Return the patches of a revision for a base.

    Raises InputError if there is no such revision, if it is not for this base, or if its `series`
    file is wrong.
    """
    if revision == NONE:
        return Series(revision=NONE, base=base)
    if root == MEM_NOTIFY and users.is_own(revision):
        return _series_in(users.folder_for(revision, base), revision, base)
    bases = bases_of(revision, root=root)
    if base not in bases:
        raise InputError(
            f"series {revision} is not for base {base}", hint=f"it is for: {', '.join(bases)}"
        )
    folder = port_of(revision, base, root=root)
    if folder is not None:
        return _series_in(folder, revision, base)
    folder = folder_of(revision, root=root)
    found = _series_in(folder / base, revision, base)
    if folder.parent == own.root():
        own.load_registered(revision, base)
        if not found.patches:
            raise own.damaged(folder / base / SERIES)
    return found


def named_series(word: str, base: str | None = None, *, root: Path = MEM_NOTIFY) -> Series:
    """Return the series that a user names: REV, REV/BASE, a folder of patches, or a range of git.

    Raises InputError as `load_series` does, and if a revision is for several bases and none is
    given.
    """
    if word.startswith(users.GIT):
        # What starts processes takes a tenth of a second to import, which a list need not wait for.
        from memnotify.series.ranges import patches_of

        with patches_of(word, Path()) as found:
            return load_series(users.adopt(found), base or "")
    revision, _, given = word.partition("/")
    if not is_known(revision, root=root):
        folder = Path(word).expanduser()
        if is_series_folder(folder):
            return _series_in(folder, folder.resolve().name, base or "")
        if folder.is_dir() and (known := series_folders(folder)):
            if base not in known and (base or len(known) > 1):
                names = ", ".join(known)
                raise InputError("has no patches for that base", file=folder, hint=f"for: {names}")
            inner = base or next(iter(known))
            return _series_in(known[inner], folder.resolve().name, inner)
        if folder.is_dir():
            raise no_series(folder)
        if "/" in word:
            raise InputError(
                f"{word} is neither a folder nor the name of a series",
                hint=known_names(revision, [NONE, *revisions(root)]),
            )
    if given and base and given != base:
        raise InputError(f"{word} is not for base {base}", hint=f"{revision}/{base} may be")
    base = given or base
    if base is None and revision != NONE:
        bases = bases_of(revision, root=root)
        if len(bases) > 1:
            choices = ", ".join(f"{revision}/{name}" for name in bases)
            raise InputError(
                f"{revision} has patches for several bases", hint=f"name one: {choices}"
            )
        base = bases[0]
    return load_series(revision, base or "", root=root)


def _series_in(folder: Path, revision: str, base: str) -> Series:
    config = folder / CONFIG
    if (folder / SERIES).is_file():
        patches = read_series_file(folder / SERIES)
    else:
        patches = tuple(_entry(folder / SERIES, 1, name, []) for name in numbered(folder))
    return Series(
        revision=revision,
        base=base,
        patches=patches,
        config=config if config.exists() else None,
    )


def compared(one: str, other: str, *, root: Path = MEM_NOTIFY) -> tuple[Series, Series]:
    """Return two series to compare; if both are revisions, for the base that both are for."""
    known = revisions(root)
    common = set(known.get(one, ())) & set(known.get(other, ()))
    base = next(iter(common)) if len(common) == 1 else None
    # A folder may have patches for several bases, of which a revision beside it names one.
    if base is None and users.is_word(other):
        base = _base_in(one)
    elif base is None and users.is_word(one):
        base = _base_in(other)
    return named_series(one, base, root=root), named_series(other, base, root=root)


def _base_in(word: str) -> str | None:
    """Return the base of a word such as v4/6.1."""
    revision, _, base = word.partition("/")
    return base if base and revision in (NONE, *revisions()) else None


def read_series_file(path: Path) -> tuple[Patch, ...]:
    """Return the patches that a `series` file names; patches/README.md has the format."""
    return tuple(patch for patch, _ in series_lines(path))


def series_lines(path: Path) -> list[tuple[Patch, str]]:
    """Return each patch that a `series` file names with its whole line. Raises InputError."""
    check_whole(path.parent)
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", file=path) from error
    patches = []
    for number, line in enumerate(lines, 1):
        words = re.sub(r"(^|\s)#.*", "", line).split()
        if words:
            patches.append((_entry(path, number, words[0], words[1:]), line))
    return patches


def _entry(file: Path, line: int, name: str, options: list[str]) -> Patch:
    path = file.parent / name
    if "/" in name:
        raise InputError(
            f"{name} is not a plain file name",
            file=file,
            line=line,
            hint="patches must be in the same folder as this file",
        )
    if not path.is_file():
        raise InputError(f"{name} is not in the same folder as this file", file=file, line=line)
    fuzz = 0
    for index, option in enumerate(options):
        given = re.fullmatch(r"-p1|fuzz=([012])", option)
        if given is None:
            hint = "options are -p1 and fuzz=0, 1 or 2"
            raise InputError(f"{option} is not a known option", file=file, line=line, hint=hint)
        if option[:2] in [earlier[:2] for earlier in options[:index]]:
            raise InputError(f"{option}: too many options", file=file, line=line)
        fuzz = int(given[1] or fuzz)
    return Patch(path=path, sha256=_digest(path), fuzz=fuzz)


def _digest(path: Path) -> str:
    """Return the digest of a patch, which is part of the keys of kernels.

    `git am` wants `<>` behind a name without an address. It says nothing, so a patch is the same
    with it and without.
    """
    author, end, rest = read_bytes(path).partition(b"\n")
    if author.startswith(b"From: "):
        author = author.removesuffix(_NO_ADDRESS)
    return hashlib.sha256(author + end + rest).hexdigest()


def makefile_version(text: str) -> str | None:
    """Return the version that the text of a kernel's top Makefile states; None if none."""
    parts: dict[str, str] = dict(
        re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(\S*)", text, re.M)
    )
    if not parts.get("VERSION") or not parts.get("PATCHLEVEL"):
        return None
    numbers = [parts[name] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL") if parts.get(name)]
    return ".".join(numbers) + parts.get("EXTRAVERSION", "")


def tree_version(tree: Path) -> str:
    """Return the version of a kernel tree. Raises InputError if it is not one."""
    try:
        version = makefile_version(read_bytes(tree / "Makefile").decode(errors="replace"))
    except OSError:
        version = None
    if version is None:
        raise InputError(
            "not a kernel source tree: no Makefile that states VERSION and PATCHLEVEL", file=tree
        )
    return version


def base_for_version(revision: str, version: str, *, root: Path = MEM_NOTIFY) -> str:
    """Return the base of a revision that fits the version of a tree, such as 6.1 for 6.1.192.

    Raises InputError if there is none.
    """
    if revision == NONE:
        return version
    bases = bases_of(revision, root=root)
    fitting = [base for base in bases if version == base or version.startswith(base + ".")]
    if not fitting:
        raise InputError(
            f"series {revision} has no variant for Linux {version}",
            hint=f"name a base whose patches to use: --for {bases[0]}, or {revision}/{bases[0]} "
            f"as the series; there are patches for {', '.join(bases)}",
        )
    return max(fitting, key=len)


def write_prefix(series: Series, count: int, root: Path) -> str:
    """Write the first `count` patches below `root` as a revision, and return its name.

    With all patches the name is that of the series itself, so a kernel of it that has been built is
    reused. With no patches the name is `none`, and nothing is written.
    """
    if count == 0:
        return NONE
    whole = count == len(series.patches)
    name = series.revision if whole else f"{series.revision}-first-{count}"
    folder = root / name / series.base
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = []
    for patch in series.patches[:count]:
        shutil.copyfile(patch.path, folder / patch.name)
        lines.append(f"{patch.name} fuzz={patch.fuzz}" if patch.fuzz else patch.name)
    (folder / SERIES).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if series.config:
        (folder / CONFIG).write_text(_config_of(series, series.config, count), encoding="utf-8")
    return name


def _config_of(series: Series, config: Path, count: int) -> str:
    """Return the lines of `config`, without the options that only the left-out patches define."""
    left_out = "".join(
        p.path.read_text(errors="replace", encoding="utf-8") for p in series.patches[count:]
    )
    later = set(re.findall(r"^\+(?:menu)?config[ \t]+(\w+)", left_out, re.M))
    return "".join(
        line
        for line in config.read_text(encoding="utf-8").splitlines(keepends=True)
        if (named := re.search(r"CONFIG_(\w+)", line)) is None or named[1] not in later
    )
