"""The image of a guest: an initramfs with the guest program, once for each architecture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from memnotify.image import initramfs
from memnotify.image.client import ensure_client
from memnotify.image.program import AGENT, ensure_program
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.scenario import Program
from memnotify.store import Artifact, Store

INITRAMFS = "initramfs.cpio"


def ensure_image(
    arch: Arch,
    *,
    store: Store,
    log: CommandLog,
    folder: Path | None = None,
    waiting: Callable[[], None] | None = None,
    programs: Sequence[Program] = (),
) -> Artifact:
    """Return the image for an architecture; build it if the store does not have it.

    Its files are `agent` (the guest program; `agent --abi` runs on the host) and `initramfs.cpio`.
    The key depends on the program itself, so a comment in its sources changes no image. `folder`
    and `waiting` are as in `program.ensure_program`. `programs` are those of the user's own, for
    which there is another guest program; the key covers what they are compiled to.

    Raises InfrastructureError and CommandFailed as `ensure_program` does, InfrastructureError if a
    library is missing, and InputError as `client.ensure_client` does.
    """
    clients = [
        initramfs.ClientFile(
            name=Path(client.name).stem if client.is_source else client.name,
            content=ensure_client(client, arch, store=store, log=log),
            args=client.args,
            wakeup_line=client.wakeup_line,
        )
        for client in programs
    ]
    own = {"own": True} if clients else {}
    program = ensure_program(arch, store=store, log=log, folder=folder, waiting=waiting, **own)
    inputs: dict[str, Any] = {
        "arch": str(arch),
        "program": hashlib.sha256(program.content).hexdigest(),
        "recipe": initramfs.RECIPE,
    }
    if clients:
        inputs["clients"] = [
            {
                "name": client.name,
                "program": hashlib.sha256(client.content).hexdigest(),
                "args": list(client.args),
                "wakeup_line": client.wakeup_line,
            }
            for client in clients
        ]

    def build(work: Path) -> Mapping[str, Any]:
        agent = work / AGENT
        agent.write_bytes(program.content)
        agent.chmod(0o755)
        initramfs.write_initramfs(work / INITRAMFS, program=program.content, clients=clients)
        return {
            "agent_bytes": agent.stat().st_size,
            "initramfs_bytes": (work / INITRAMFS).stat().st_size,
        }

    return store.publish("image", inputs, build, waiting=waiting)
