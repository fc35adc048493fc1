"""Does in advance what a run needs before its first guest: the source, or kernels and images too.

A first run on a new machine can then do other things beside it, such as installing QEMU.
"""

from __future__ import annotations

from collections.abc import Iterable

from memnotify.campaign.load import Campaign
from memnotify.campaign.plan import plan_cells
from memnotify.errors import InfrastructureError, MemnotifyError
from memnotify.image.build import INITRAMFS, ensure_image
from memnotify.image.client import refuse_no_room
from memnotify.kernel.base import load_base
from memnotify.kernel.build import ensure_kernel
from memnotify.kernel.download import remembering
from memnotify.kernel.source import ensure_source, named_source
from memnotify.kernel.toolchain import TOOLS, identify, refuse_missing
from memnotify.model import Arch, Cell, KernelRequest
from memnotify.process import CommandLog
from memnotify.run.base_selection import (
    PATIENCE,
    Preparing,
    choose_base,
    is_the_bases_fault,
    kernels_of,
)
from memnotify.run.stages import IMAGE, SOURCE, kernel_stage
from memnotify.run.telling import if_slow, kernel_name
from memnotify.scenario import Program
from memnotify.store import Artifact, Store


def fetch_source(campaign: Campaign, using: Preparing, *, source: str | None) -> None:
    """Fetch the source of the first base that has one, as `choose_base` does.

    Raises as `ensure_source` for the last base.
    """
    if source is not None:
        named_source(source)
    store, log = using.store, using.log
    web = remembering(store, patience=PATIENCE)
    *preferred, last = campaign.table.kernel.base
    with using.timed(SOURCE):
        for name in (*preferred, last):
            try:
                with using.telling(f"source {name}") as told:
                    ensure_source(
                        load_base(name), source, store=store, web=web, log=log, progress=told.step
                    )
                    told.done()
            except MemnotifyError as error:
                if name == last or not is_the_bases_fault(error):
                    raise
            else:
                return


def refuse_without_tools(campaign: Campaign, using: Preparing) -> None:
    """Raise InfrastructureError if this machine can build no base of a campaign.

    For runs on other hosts: nothing is fetched before this is clear. The key of a kernel names its
    compiler, so it is needed even if the kernel is in the store.
    """
    missing: InfrastructureError | None = None
    for name in campaign.table.kernel.base:
        try:
            refuse_missing(load_base(name), log=using.log)
        except InfrastructureError as error:
            missing = missing or _for_all_hosts(error)
        else:
            return
    if missing is not None:
        raise missing


def identify_all(cells: Iterable[Cell], using: Preparing) -> None:
    """Look at the compilers of some cells, before hosts are asked and given an environment.

    Raises as `identify` does.
    """
    for base, arch, cc in dict.fromkeys(
        (cell.request.base, cell.request.arch, cell.request.cc) for cell in cells
    ):
        try:
            identify(load_base(base), arch, cc, log=using.log)
        except InfrastructureError as error:
            if error.kind != TOOLS:
                raise
            raise _for_all_hosts(error) from error


def _for_all_hosts(error: InfrastructureError) -> InfrastructureError:
    return InfrastructureError(
        error.kind,
        f"{error.message} on this machine, where the kernels for all hosts are built",
        hint=f"{error.hint}; or start the run on a host that has it",
    )


def build_all(campaign: Campaign, using: Preparing, *, source: str | None, cc: str | None) -> None:
    """Build the kernels and images of the base that a run would choose; QEMU need not be there.

    Raises as `choose_base` and `ensure_kernel` do.
    """
    build_clients(plan_cells(campaign), using)
    base = choose_base(campaign, using, source=source, cc=cc, boot=_later)
    build_timed(kernels_of(campaign, base, source, cc), using)


def build_clients(cells: Iterable[Cell], using: Preparing) -> None:
    """Compile the programs of the user's own, and build the images with them.

    It comes before everything that takes minutes: what is wrong with such a program is soon known.
    A second or two are enough, but the first use of the compiler builds its C library, which takes
    up to a minute. Raises as `ensure_image` does, and InputError if the guest with the least memory
    has no room for them.
    """
    least: dict[tuple[Arch, tuple[Program, ...]], int] = {}
    for cell in cells:
        key = (cell.request.arch, cell.programs)
        least[key] = min(cell.memory_mib, least.get(key, cell.memory_mib))
    for (arch, programs), memory_mib in least.items():
        names = ", ".join(program.name for program in programs)
        if programs:
            with if_slow(f"compiling {names} for {arch}", using.say):
                image = ensure_image(arch, store=using.store, log=using.log, programs=programs)
            size = image.file(INITRAMFS).stat().st_size
            refuse_no_room(f"the image with {names}", size, memory_mib)


def build_timed(requests: Iterable[KernelRequest], using: Preparing) -> None:
    """Build kernels and the images for them; each kernel is a stage of its own."""
    known = tuple(dict.fromkeys(requests))
    for request in known:
        with using.timed(kernel_stage(request)), using.telling(kernel_name(request)) as told:
            kernel = ensure_kernel(
                request, store=using.store, log=using.log, progress=told.step, tell=told.tell
            )
            told.done(kernel.key[:16])
    with using.timed(IMAGE):
        for arch in dict.fromkeys(request.arch for request in known):
            ensure_image(arch, store=using.store, log=using.log)


def _later(cell: Cell, kernel: Artifact, *, store: Store, log: CommandLog) -> None:
    """Leave it to the run whether a kernel boots."""
