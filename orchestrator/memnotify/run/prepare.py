"""Does in advance what a run needs before its first guest: the source, or kernels and images too.

A first run on a new machine can then do other things beside it, such as installing QEMU.
"""

from __future__ import annotations

from collections.abc import Iterable

from memnotify.campaign.load import Campaign
from memnotify.errors import MemnotifyError
from memnotify.image.build import ensure_image
from memnotify.kernel.base import load_base
from memnotify.kernel.build import ensure_kernel
from memnotify.kernel.download import remembering
from memnotify.kernel.source import ensure_source, named_source
from memnotify.model import Cell, KernelRequest
from memnotify.process import CommandLog
from memnotify.report.board import Board
from memnotify.run.base_selection import PATIENCE, choose_base, is_the_bases_fault, kernels_of
from memnotify.run.stages import IMAGE, SOURCE, Timed, kernel_stage
from memnotify.run.telling import Say, kernel_name, telling
from memnotify.store import Artifact, Store


def fetch_source(
    campaign: Campaign,
    *,
    source: str | None,
    store: Store,
    log: CommandLog,
    say: Say,
    board: Board | None = None,
    timed: Timed,
) -> None:
    """Fetch the source of the first base that has one, as `choose_base` does.

    Raises as `ensure_source` for the last base.
    """
    if source is not None:
        named_source(source)
    web = remembering(store, patience=PATIENCE)
    *preferred, last = campaign.table.kernel.base
    with timed(SOURCE):
        for name in (*preferred, last):
            try:
                with telling(f"source {name}", board=board, say=say) as told:
                    ensure_source(
                        load_base(name), source, store=store, web=web, log=log, progress=told.step
                    )
                    told.done()
            except MemnotifyError as error:
                if name == last or not is_the_bases_fault(error):
                    raise
            else:
                return


def build_all(
    campaign: Campaign,
    *,
    source: str | None,
    cc: str | None,
    store: Store,
    log: CommandLog,
    say: Say,
    board: Board | None = None,
    timed: Timed,
) -> None:
    """Build the kernels and images of the base that a run would choose; QEMU need not be there.

    Raises as `choose_base` and `ensure_kernel` do.
    """
    base = choose_base(
        campaign,
        source=source,
        cc=cc,
        store=store,
        log=log,
        say=say,
        board=board,
        boot=_later,
        timed=timed,
    )
    requests = kernels_of(campaign, base, source, cc)
    build_timed(requests, store=store, log=log, say=say, board=board, timed=timed)


def build_timed(
    requests: Iterable[KernelRequest],
    *,
    store: Store,
    log: CommandLog,
    say: Say,
    board: Board | None = None,
    timed: Timed,
) -> None:
    """Build kernels and the images for them; each kernel is a stage of its own."""
    known = tuple(dict.fromkeys(requests))
    for request in known:
        what = telling(kernel_name(request), board=board, say=say)
        with timed(kernel_stage(request)), what as told:
            kernel = ensure_kernel(
                request, store=store, log=log, progress=told.step, tell=told.tell
            )
            told.done(kernel.key[:16])
    with timed(IMAGE):
        for arch in dict.fromkeys(request.arch for request in known):
            ensure_image(arch, store=store, log=log)


def _later(cell: Cell, kernel: Artifact, *, store: Store, log: CommandLog) -> None:
    """Leave it to the run whether a kernel boots."""
