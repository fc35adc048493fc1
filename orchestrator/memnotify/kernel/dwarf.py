"""Debug information of a kernel in the store: the same kernel, compiled again with `-g`.

The configuration stays as it is: CONFIG_DEBUG_INFO would also be one more line in it. `-g` is part
of the compiler's name instead, so that it reaches every file, also in Linux 2.6, whose Makefile
knows no variable for it. gcc promises the same code with and without it, and that is not taken on
trust: both kernels are compared byte by byte.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from memnotify import limits
from memnotify.complaint import does_not_build
from memnotify.errors import InfrastructureError, InputError
from memnotify.kernel.build import (
    IMAGE,
    Plan,
    compile_kernel,
    plan_build,
)
from memnotify.kernel.compiled import Compiled, Tell, now_and_then
from memnotify.kernel.location import refuse_unfit
from memnotify.kernel.make import make_command
from memnotify.kernel.stored import SOURCE, Source, source_of
from memnotify.kernel.tree import WorkTree, work_tree
from memnotify.model import KernelRequest
from memnotify.process import CommandFailed, CommandLog
from memnotify.series.quilt import MEM_NOTIFY
from memnotify.store import Artifact, Store

DWARF = "dwarf"
"""The kind of these artifacts in the store."""

VMLINUX = "vmlinux"

# crash 8.0 has a gdb that does not know all of version 5.
_FLAGS = ("-g", "-gdwarf-4")
_RECIPE = 1  # increase it when a change of this module changes the result

_GZIP = b"\x1f\x8b\x08\x00"
# An ELF note by "GNU" that names its file by a digest of all of it, debug information included.
_BUILD_ID = re.compile(rb"(\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0).{20}", re.DOTALL)


def kept_dwarf(kernel: Artifact, *, store: Store) -> Artifact | None:
    """Return the debug information of a kernel if it is in the store."""
    inputs = _inputs(kernel)
    return next((one for one in store.listing(DWARF) if one.inputs == inputs), None)


def _inputs(kernel: Artifact) -> dict[str, Any]:
    return {"kernel": kernel.key, "flags": list(_FLAGS), "recipe": _RECIPE}


def ensure_dwarf(
    kernel: Artifact,
    request: KernelRequest,
    *,
    store: Store,
    log: CommandLog,
    progress: Callable[[str], None],
    tell: Tell | None = None,
    kernels: Path | None = None,
    series: Path = MEM_NOTIFY,
) -> Artifact:
    """Return the debug information of a kernel in the store; build it if it is missing.

    `request` is what the kernel was built for. The artifact's file is vmlinux. Its facts: `seconds`
    of configuring and compiling, `bytes` of the two kernels that were compared and are the same,
    and `build_ids`, the number of notes with the digest of a file that were left out of that.

    Raises InputError if the kernel cannot be built again, because something that it was built from
    is gone or has changed; InfrastructureError as `ensure_kernel` does, and of the
    kind `dwarf` if the second kernel is another one.
    """
    refuse_unfit(store)
    limits.refuse_low()
    tell = tell or now_and_then(progress)

    def build(folder: Path) -> Mapping[str, Any]:
        source = _source(kernel, store)
        plan = plan_build(request, kernels, series, log)
        plan = plan.fitted(source, store=store, log=log, progress=progress)
        _refuse_another(plan.inputs(source.digest), kernel)
        cc = " ".join((plan.toolchain.cc, *_FLAGS))
        plan = dataclasses.replace(plan, toolchain=dataclasses.replace(plan.toolchain, cc=cc))
        with work_tree(
            source,
            request.arch,
            environment=plan.environment,
            store=store,
            progress=progress,
            purpose=DWARF,
        ) as tree:
            tree.switch(plan.series, log=log)
            progress("compiling the kernel again, with debug information")
            try:
                seconds = _compile(plan, tree, store, log, tell)
            except CommandFailed as error:
                if error.timed_out:
                    raise
                raise does_not_build("with -g, it", error, tree.build_log) from error
            facts = same_kernel(kernel.path, tree.path)
            shutil.copyfile(tree.path / VMLINUX, folder / VMLINUX)
        return {"seconds": round(seconds, 3), **facts}

    return store.publish(
        DWARF,
        _inputs(kernel),
        build,
        waiting=lambda: progress("waiting for another build of the same debug information"),
    )


def _source(kernel: Artifact, store: Store) -> Source:
    wanted = kernel.inputs["source"]
    for noted in store.listing(SOURCE):
        if noted.facts.get("digest") == wanted:
            found = store.get(SOURCE, noted.key)
            if found is not None:
                return source_of(found)
    raise InputError(
        "the source of this kernel is no longer in the store, so it cannot be compiled again",
        hint=f"memnotify kernel fetch {kernel.inputs['base']}, if that gives the same source",
    )


def _refuse_another(now: Mapping[str, Any], kernel: Artifact) -> None:
    then = kernel.inputs
    changed = sorted(name for name in {*now, *then} if now.get(name) != then.get(name))
    if changed:
        raise InputError(
            "this kernel cannot be compiled again as it was: another "
            + ", ".join(name.replace("config", "configuration") for name in changed),
            hint="run the campaign again, and look at the new run",
        )


def _compile(plan: Plan, tree: WorkTree, store: Store, log: CommandLog, tell: Tell) -> float:
    tree.build_log.unlink(missing_ok=True)
    make = make_command(plan.variables, tree.path, store, tree.folder / "ccache.calls")
    of = plan.base.table.files
    return compile_kernel(
        plan, tree, make, log, lambda files: tell(Compiled.among(files, of, most=False))
    )


def same_kernel(kernel: Path, tree: Path) -> dict[str, int]:
    """Compare a kernel in the store with the one in a tree; return what was compared.

    Raises InfrastructureError if symbols or bytes differ. A note with the digest of its file may
    differ: that covers the debug information, which no kernel loads.
    """
    if (kernel / "System.map").read_bytes() != (tree / "System.map").read_bytes():
        raise _another("its symbols have other addresses")
    first, second = (unpacked(path) for path in (kernel / "bzImage", tree / IMAGE))
    names = [_BUILD_ID.subn(rb"\1" + bytes(20), content) for content in (first, second)]
    (one, notes), (other, _) = names
    if one != other:
        different = sum(a != b for a, b in zip(one, other, strict=False))
        raise _another(
            f"{different} of its {len(one)} bytes differ, sizes {len(one)}, {len(other)}"
        )
    return {"bytes": len(one), "build_ids": notes}


def unpacked(image: Path) -> bytes:
    """Return the kernel in a bzImage. Raises InfrastructureError if it is not packed with gzip."""
    content = image.read_bytes()
    at = content.find(_GZIP)
    while at >= 0:
        try:
            return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content[at:])
        except zlib.error:
            at = content.find(_GZIP, at + 1)
    raise InfrastructureError(DWARF, f"{image} has no kernel that gzip packed")


def _another(why: str) -> InfrastructureError:
    return InfrastructureError(
        DWARF, f"compiled with debug information, this is another kernel: {why}"
    )
