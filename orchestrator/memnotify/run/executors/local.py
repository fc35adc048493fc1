"""The usual executor: guests are children of this process, as many as the ledger allows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from memnotify import host
from memnotify.errors import InfrastructureError
from memnotify.guest.usage import HOST_OOM
from memnotify.guest.view import Watcher
from memnotify.model import Outcome
from memnotify.results.summary import Job
from memnotify.run.attempt import failed, try_once
from memnotify.run.executors.protocol import Attempted, Turn
from memnotify.run.guests import GuestRunner
from memnotify.run.ledger import HOST_MEMORY
from memnotify.run.need import need


class Local:
    """Runs cells in this process."""

    def __init__(self, guests: GuestRunner) -> None:
        self._guests = guests
        self._cores = host.cores()

    @asynccontextmanager
    async def turn(self, job: Job, *, waiting: Callable[[str], None]) -> AsyncIterator[Turn]:
        """Hold memory and cores of the host.

        A guest that waits for them in vain has its turn, and fails in it.
        """
        ledger = self._guests.ledger
        wanted = need(job.cell, cores=self._cores)
        refused: InfrastructureError | None = None
        async with AsyncExitStack() as claims:
            try:
                await claims.enter_async_context(
                    ledger.claim(wanted, waiting=lambda: waiting(ledger.obstacle(wanted)))
                )
            except InfrastructureError as error:
                refused = error
            yield _Turn(job, self._guests, refused)


@dataclass(frozen=True, slots=True)
class _Turn:
    job: Job
    guests: GuestRunner
    refused: InfrastructureError | None

    async def attempt(self, folder: Path, watcher: Watcher) -> Attempted:
        if self.refused is not None:
            return failed(self.job, self.refused, folder)
        return await try_once(self.job, self.guests, folder, watcher)

    def leave(self, host: str) -> bool:
        return bool(host)  # results of this process name no host

    async def hopeless(self, outcome: Outcome) -> bool:
        """A guest for which the host lacked memory even when alone would fail again."""
        if outcome.infrastructure == HOST_MEMORY:
            return True
        return outcome.infrastructure == HOST_OOM and not await self.guests.ledger.in_company()
