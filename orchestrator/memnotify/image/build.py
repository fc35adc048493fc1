"""Build the guest program and its initramfs, once for each architecture and set of sources."""

from __future__ import annotations

import importlib.metadata
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from memnotify import places
from memnotify.environment import COMPILER, PYTHON
from memnotify.errors import InfrastructureError
from memnotify.image import example, initramfs
from memnotify.model import Arch
from memnotify.process import CommandLog, run
from memnotify.store import Artifact, Store, digest_file, digest_value

AGENT = "agent"
INITRAMFS = "initramfs.cpio"

# The oldest processors that kernels of 2008 were built for: the program may need nothing newer.
_TARGETS: Mapping[Arch, tuple[str, ...]] = {
    Arch.I386: ("-target", "x86-linux-musl", "-mcpu=pentium"),
    Arch.X86_64: ("-target", "x86_64-linux-musl", "-mcpu=x86_64"),
}
_FLAGS = (
    *("-std=c11", "-D_GNU_SOURCE", "-static", "-s", "-Os"),
    *("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"),
    # As in the kernel: the same bytes of the region are accessed through several types.
    "-fno-strict-aliasing",
    # zig enables traps by default; a trap would kill init without a message.
    "-fno-sanitize=all",
)
_TIMEOUT = 900.0  # seconds; the very first build also compiles musl


def sources(folder: Path | None = None) -> tuple[Path, ...]:
    """Return the files of the guest program, sorted. Default: images/guest."""
    folder = folder or places.IMAGES / "guest"
    found = tuple(sorted(path for path in folder.glob("*.[ch]") if path.is_file()))
    if not any(path.suffix == ".c" for path in found):
        raise InfrastructureError(
            "image",
            f"{folder} has no C sources",
            hint="set MEMNOTIFY_HOME to the folder of the project",
        )
    return found


def _compiler_version() -> str:
    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError as error:
        raise InfrastructureError(
            "compiler", "the C compiler (zig) is missing", hint="pip install ziglang"
        ) from error


def compile_program(
    arch: Arch, files: tuple[Path, ...], output: Path, *, store: Store, log: CommandLog
) -> None:
    """Compile the guest program into `output`; generated files are included from its folder.

    Raises CommandFailed with the compiler's messages; a warning is an error.
    """
    cache = str(store.folder("zig-cache"))
    compiler = (sys.executable, "-m", "ziglang", "cc", *_TARGETS[arch], *_FLAGS)
    run(
        [
            *compiler,
            "-I",
            output.parent,
            "-o",
            output,
            *(path for path in files if path.suffix == ".c"),
        ],
        allow=[PYTHON, COMPILER],
        env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
        timeout=_TIMEOUT,
        log=log,
    )


def ensure_image(
    arch: Arch,
    *,
    store: Store,
    log: CommandLog,
    folder: Path | None = None,
    waiting: Callable[[], None] | None = None,
) -> Artifact:
    """Return the image for an architecture; build it if the store does not have it.

    Its files are `agent` (the program; `agent --abi` runs on the host), `initramfs.cpio`, and the
    patch's usage example, from which clients of kind usage are built. `folder` has the program's
    sources (default: images/guest). `waiting` is called if another process is building the same
    image.

    Raises InfrastructureError if the program does not compile or a library is missing.
    """
    files = sources(folder)
    usage = example.usage_example(example.mail())
    inputs = {
        "arch": str(arch),
        "sources": {path.name: digest_file(path) for path in files},
        "example": digest_value(usage),
        "compiler": f"ziglang {_compiler_version()}",
        "flags": [*_TARGETS[arch], *_FLAGS],
        "recipe": initramfs.RECIPE,
    }

    def build(work: Path) -> Mapping[str, Any]:
        started = time.monotonic()
        agent = work / AGENT
        (work / example.INCLUDED).write_text(usage, encoding="utf-8")
        compile_program(arch, files, agent, store=store, log=log)
        initramfs.write_initramfs(work / INITRAMFS, program=agent.read_bytes())
        return {
            "agent_bytes": agent.stat().st_size,
            "initramfs_bytes": (work / INITRAMFS).stat().st_size,
            "seconds": round(time.monotonic() - started, 3),
        }

    return store.publish("image", inputs, build, waiting=waiting)
