"""The image of a guest: an initramfs with the guest program, once for each architecture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from memnotify.image import initramfs
from memnotify.image.program import AGENT, ensure_program
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.store import Artifact, Store

INITRAMFS = "initramfs.cpio"


def ensure_image(
    arch: Arch,
    *,
    store: Store,
    log: CommandLog,
    folder: Path | None = None,
    waiting: Callable[[], None] | None = None,
) -> Artifact:
    """Return the image for an architecture; build it if the store does not have it.

    Its files are `agent` (the guest program; `agent --abi` runs on the host) and `initramfs.cpio`.
    The key depends on the program itself, so a comment in its sources changes no image. `folder`
    and `waiting` are as in `program.ensure_program`.

    Raises InfrastructureError and CommandFailed as `ensure_program` does, and InfrastructureError
    if a library is missing.
    """
    program = ensure_program(arch, store=store, log=log, folder=folder, waiting=waiting)
    inputs = {
        "arch": str(arch),
        "program": hashlib.sha256(program.content).hexdigest(),
        "recipe": initramfs.RECIPE,
    }

    def build(work: Path) -> Mapping[str, Any]:
        agent = work / AGENT
        agent.write_bytes(program.content)
        agent.chmod(0o755)
        initramfs.write_initramfs(work / INITRAMFS, program=program.content)
        return {
            "agent_bytes": agent.stat().st_size,
            "initramfs_bytes": (work / INITRAMFS).stat().st_size,
        }

    return store.publish("image", inputs, build, waiting=waiting)
