"""What a run uses, and how: one value each, instead of a dozen parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from memnotify.guest.held import Holder
from memnotify.guest.session import run_cell
from memnotify.image.build import ensure_image
from memnotify.kernel.build import ensure_kernel
from memnotify.process import CommandLog
from memnotify.report.board import Board
from memnotify.results.summary import Job
from memnotify.run.guests import CellRunner
from memnotify.run.jobs import Builder, Jobs
from memnotify.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Where artifacts are kept, who is informed, and what does the work.

    Tests replace the last three.
    """

    store: Store
    board: Board
    build_kernel: Builder = ensure_kernel
    build_image: Builder = ensure_image
    runner: CellRunner = run_cell


def jobs_of(services: Services, log: CommandLog) -> Jobs:
    """Return a maker of jobs that uses these services."""
    return Jobs(
        services.store,
        log=log,
        board=services.board,
        build_kernel=services.build_kernel,
        build_image=services.build_image,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a user wants a run.

    `limit` caps the number of guests at a time; with `again`, even cells with results run; with
    `cold`, every guest boots instead of starting from a template. `verify` is how many cells run
    once more, on another host. `holder_of` returns who holds the guest of a job at a finding.
    `tags` are what a host of a cluster must have.
    """

    limit: int | None = None
    again: bool = False
    cold: bool = False
    verify: int = 0
    holder_of: Callable[[Job], Holder] | None = None
    tags: tuple[str, ...] = ()


USUAL = RunOptions()
