"""Supplies cells with templates from the store, where each is made once for all processes."""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Any

from memnotify.digest import digest_value
from memnotify.errors import InfrastructureError, no_space
from memnotify.guest.template import Template, make_template
from memnotify.guest.watchdog import Limits
from memnotify.model import BootFiles, Cell, Clock
from memnotify.process import CommandLog
from memnotify.store import Artifact, Store

KIND = "template"

_FORMAT = 4
"""Part of a template's key: raise it with every change of what is saved, or how."""

_BUDGET_BYTES = 2 << 30
"""Limit for all templates in the store: enough for some 90 guests with 64 MiB."""

_OPEN = 4
"""Templates kept in memory although no guest is starting from them."""

_OPEN_BYTES = 256 << 20
"""Limit for these together; the newest one is kept whatever its size."""


def template_inputs(cell: Cell) -> dict[str, Any]:
    """Return everything that a bound cell's guest depends on up to READY, as a JSON value.

    `hardware` covers QEMU, its command line, and the machine with its memory and log size.
    """
    return {
        "format": _FORMAT,
        "kernel": cell.kernel,
        "image": cell.image,
        "hardware": cell.hardware,
    }


class Templates:
    """The templates of one process. A verified template is kept in memory, sealed."""

    def __init__(
        self, store: Store, *, limits: Limits | None = None, most_open: int = _OPEN
    ) -> None:
        self._store = store
        self._most_open = most_open
        self._limits = limits or Limits()
        # None: the guest does not reach READY.
        self._open: OrderedDict[str, Template | None] = OrderedDict()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(
        self,
        cell: Cell,
        *,
        files: BootFiles,
        on_stage: Callable[[str], None],
        log: CommandLog | None,
        boot: Callable[[], AbstractAsyncContextManager[object]] = nullcontext,
    ) -> Template | None:
        """Return the template that a bound cell starts from; make it if it does not exist.

        `boot` is held while a guest boots for that.

        Returns None if the guest has to boot: because it runs in real time, and a saved guest would
        have missed some of it, or because no guest like it reaches READY.

        Raises InfrastructureError if a template cannot be made, kept or read.
        """
        if cell.clock is Clock.REAL:
            return None
        inputs = template_inputs(cell)
        key = digest_value(inputs)
        if key not in self._open:
            on_stage("template")
        async with self._locks[key]:
            if key not in self._open:
                async with self._found(cell, inputs, key, files, log, boot) as found:
                    self._open[key] = None if found is None else Template(found)
            self._open.move_to_end(key)
            template = self._open[key]
            while len(self._open) > 1 and self._too_many():
                self._open.popitem(last=False)
            return template

    async def ensure(self, cell: Cell, *, files: BootFiles, log: CommandLog | None) -> bool:
        """Return whether there is a template of a bound cell; make it if it does not exist.

        It is not loaded. Raises as `get` does.
        """
        inputs = template_inputs(cell)
        key = digest_value(inputs)
        async with self._found(cell, inputs, key, files, log) as found:
            return found is not None

    def _too_many(self) -> bool:
        taken = sum(template.bytes for template in self._open.values() if template is not None)
        return len(self._open) > self._most_open or taken > _OPEN_BYTES

    @asynccontextmanager
    async def _found(
        self,
        cell: Cell,
        inputs: dict[str, Any],
        key: str,
        files: BootFiles,
        log: CommandLog | None,
        boot: Callable[[], AbstractAsyncContextManager[object]] = nullcontext,
    ) -> AsyncIterator[Artifact | None]:
        """Yield a template in the store, locked; errors of reading it are those of `get`."""
        try:
            async with self._store.lock_async(f"{KIND}-{key}"):
                artifact = self._store.get(KIND, key)
                if is_new := artifact is None:
                    make = partial(self._make, cell, inputs, files, log)
                    async with boot():
                        try:
                            await make()
                        except OSError as error:
                            # Templates can be made again, so all others make room for this one.
                            if not (no_space(error) and self._store.prune(KIND, budget=0)):
                                raise
                            await make()
                    artifact = self._store.get(KIND, key)
                if artifact is not None:
                    # Pruning removes the least recently used. Without explicit times, utime() uses
                    # the time of the last tick, the same for all uses within some milliseconds.
                    os.utime(artifact.path, ns=(now := time.time_ns(), now))
                    if is_new:
                        with suppress(OSError):  # one that cannot be removed does not matter
                            self._store.prune(KIND, budget=_BUDGET_BYTES)
                yield artifact
        except OSError as error:
            kind = "disk-full" if no_space(error) else "template"
            raise InfrastructureError(kind, f"template {key[:16]}: {error}") from error

    async def _make(
        self,
        cell: Cell,
        inputs: dict[str, Any],
        files: BootFiles,
        log: CommandLog | None,
    ) -> None:
        with self._store.draft(KIND, inputs) as draft:
            draft.facts = await make_template(
                cell,
                files=files,
                folder=draft.path,
                log=log,
                limits=self._limits,
            )
