"""The guest program: as images/prebuilt has it, or compiled from images/guest."""

from __future__ import annotations

import importlib.metadata
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memnotify import places
from memnotify.complaint import does_not_build
from memnotify.digest import digest_file, digest_value
from memnotify.environment import COMPILER, PYTHON
from memnotify.errors import InfrastructureError
from memnotify.extras import install_command
from memnotify.image import example, prebuilt
from memnotify.model import Arch
from memnotify.process import CommandFailed, CommandLog, run
from memnotify.store import Store

AGENT = "agent"
"""The name of the program in the store."""

# The oldest processors that kernels of 2008 were built for; the program must run on them.
TARGETS: Mapping[Arch, tuple[str, ...]] = {
    Arch.I386: ("-target", "x86-linux-musl", "-mcpu=pentium"),
    Arch.X86_64: ("-target", "x86_64-linux-musl", "-mcpu=x86_64"),
}
_HOOKED = (
    *("mn_shared_open", "mn_check_scenario", "mn_client", "mn_kill_processes"),
    *("mn_reap", "mn_print_abi"),
)
"""Functions for which those of images/guest/own stand in images with programs of the user's own."""

_FLAGS = (
    *("-std=c11", "-D_GNU_SOURCE", "-static", "-s", "-Os"),
    *("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"),
    # As in the kernel: the same bytes of the region are accessed through several types.
    "-fno-strict-aliasing",
    # zig enables traps by default; a trap would kill init without a message.
    "-fno-sanitize=all",
)
_OWN_FLAGS = ("-DMN_OWN", *(f"-Wl,--wrap={name}" for name in _HOOKED))
_TIMEOUT = 900.0  # seconds; the very first build also compiles musl


@dataclass(frozen=True, slots=True)
class Program:
    """The guest program for one architecture. `prebuilt`: nothing was compiled for it."""

    content: bytes
    prebuilt: bool


def sources(folder: Path | None = None, *, own: bool = False) -> tuple[Path, ...]:
    """Return the files of the guest program, by default from images/guest.

    With `own`, those of the program for images with programs of the user's own. Raises InputError
    if there are none.
    """
    folder = folder or places.IMAGES / "guest"
    found = (*places.data_files(folder, "*.c"), *sorted(folder.glob("*.h")))
    if not own:
        return found
    more = folder / "own"
    return (*found, *places.data_files(more, "*.c"), *sorted(more.glob("*.h")))


def _flags(own: bool) -> tuple[str, ...]:
    return (*_FLAGS, *_OWN_FLAGS) if own else _FLAGS


def compiler_version() -> str | None:
    """Return the package and version of the compiler, if it is installed."""
    return _compiler_version()


def _compiler_version() -> str | None:
    try:
        return f"ziglang {importlib.metadata.version('ziglang')}"
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What the program for an architecture is made from, except for the compiler."""

    arch: Arch
    files: tuple[Path, ...]
    example: str
    own: bool = False

    @staticmethod
    def of(arch: Arch, files: tuple[Path, ...], own: bool = False) -> _Recipe:
        return _Recipe(arch, files, example.usage_example(example.mail()), own)

    @property
    def inputs(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return {
            "arch": str(self.arch),
            "sources": {path.name: digest_file(path) for path in self.files},
            "example": digest_value(self.example),
            "flags": [*TARGETS[self.arch], *_flags(self.own)],
        }


def compile_program(
    arch: Arch,
    files: tuple[Path, ...],
    output: Path,
    *,
    store: Store,
    log: CommandLog,
    own: bool = False,
    messages: Path | None = None,
) -> None:
    """Compile the guest program into `output`; generated files are included from its folder.

    Raises CommandFailed with the compiler's messages, which go to the file `messages` if one is
    given; a warning is an error.
    """
    parts = [path for path in files if path.suffix == ".c"]
    zig_cc(
        [*TARGETS[arch], *_flags(own), "-I", output.parent, "-o", output, *parts],
        store=store,
        log=log,
        messages=messages,
    )


def zig_cc(
    arguments: Sequence[str | Path],
    *,
    store: Store,
    log: CommandLog,
    messages: Path | None = None,
) -> None:
    """Run the C compiler. Raises CommandFailed with its messages, which go to a file if given."""
    cache = str(store.folder("zig-cache"))
    run(
        [sys.executable, "-m", "ziglang", "cc", *arguments],
        allow=[PYTHON, COMPILER],
        env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
        timeout=_TIMEOUT,
        log=log,
        output=messages,
    )


def need_compiler(why: str) -> str:
    """Return the compiler's version. Raises InfrastructureError, with the reason, without one."""
    compiler = _compiler_version()
    if compiler is None:
        raise InfrastructureError(
            "compiler",
            f"{why}, and the C compiler (zig) is not installed",
            hint=f"{install_command()} {(prebuilt.compiler() or 'ziglang').replace(' ', '==')}",
        )
    return compiler


def _compiled(
    recipe: _Recipe,
    *,
    store: Store,
    log: CommandLog,
    waiting: Callable[[], None] | None,
) -> bytes:
    compiler = need_compiler(
        f"{recipe.files[0].parent} must be compiled, since images/prebuilt has no program made "
        "from these sources"
    )

    def build(work: Path) -> Mapping[str, Any]:
        started = time.monotonic()
        (work / example.INCLUDED).write_text(recipe.example, encoding="utf-8")
        output, own = work / "build.log", {"own": True} if recipe.own else {}
        try:
            compile_program(
                recipe.arch,
                recipe.files,
                work / AGENT,
                store=store,
                log=log,
                messages=output,
                **own,
            )
        except CommandFailed as error:
            if error.timed_out:
                raise
            kept = store.folder("logs") / f"build-program-{recipe.arch}.log"
            raise does_not_build(
                f"the guest program for {recipe.arch}", error, output, keep=kept
            ) from error
        output.unlink(missing_ok=True)
        return {"seconds": round(time.monotonic() - started, 3)}

    inputs = recipe.inputs | {"compiler": compiler}
    return store.publish("program", inputs, build, waiting=waiting).file(AGENT).read_bytes()


def ensure_program(
    arch: Arch,
    *,
    store: Store,
    log: CommandLog,
    folder: Path | None = None,
    waiting: Callable[[], None] | None = None,
    own: bool = False,
) -> Program:
    """Return the guest program; compile it only if images/prebuilt has none from these sources.

    `folder` has the sources (default: images/guest). `own`: that for images with programs of the
    user's own. `waiting` is called if another process is
    compiling the same program.

    Raises InputError if the project's data are missing, InfrastructureError if the compiler is
    missing, a prebuilt program is damaged, or the program does not compile (`build`).
    """
    recipe = _Recipe.of(arch, sources(folder, own=own), own)
    content = prebuilt.program(arch, digest_value(recipe.inputs), own=own)
    if content is not None:
        return Program(content, prebuilt=True)
    compiled = _compiled(recipe, store=store, log=log, waiting=waiting)
    return Program(compiled, prebuilt=False)


def prebuild(*, store: Store, log: CommandLog) -> tuple[Path, ...]:
    """Compile images/guest for each architecture into images/prebuilt; return what was written.

    Raises InfrastructureError if the compiler is missing, the program does not compile, or the
    folder cannot be written.
    """
    recipes = [_Recipe.of(arch, sources(own=own), own) for own in (False, True) for arch in Arch]
    programs = {
        (recipe.arch, recipe.own): (
            digest_value(recipe.inputs),
            _compiled(recipe, store=store, log=log, waiting=None),
        )
        for recipe in recipes
    }
    return prebuilt.write(programs, compiler=_compiler_version() or "")
