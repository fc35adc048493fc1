"""What a run would do, without doing any of it: `memnotify run --plan`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from memnotify import host
from memnotify.digest import digest_value
from memnotify.errors import InputError, MemnotifyError
from memnotify.kernel.base import Base, load_base
from memnotify.kernel.build import kernel_inputs
from memnotify.kernel.source import given_source, named_source
from memnotify.kernel.stored import KERNEL, kept_source
from memnotify.model import Arch, Cell, KernelRequest
from memnotify.process import CommandLog
from memnotify.run.need import Need, host_capacity, need
from memnotify.series.quilt import tree_version
from memnotify.store import Store

IN_STORE = "in the store"
TO_BUILD = "to build"
TO_FETCH = "to build, once the source is available"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBase:
    """A base that cells may run on, and where its source is."""

    base: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedKernel:
    """A kernel that some cells need, and whether it has been built."""

    base: str
    series: str
    arch: Arch
    variant: str | None
    options: tuple[str, ...]
    cells: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedGuests:
    """Guests of one size: the most that each takes of the host, and whether it fits at all."""

    machine: str
    memory_mib: int
    cells: int
    takes_mib: int
    cores: int
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a run needs, and what this host has.

    `bases` are in the order in which they are tried: the first that is available, builds and boots
    is used. The cells are the same on each.
    """

    bases: tuple[PlannedBase, ...]
    kernels: tuple[PlannedKernel, ...]
    guests: tuple[PlannedGuests, ...]
    cells: int
    capacity: Need
    available_mib: int
    memory_mib: int


def preview(
    plans: Sequence[Sequence[Cell]], *, source: str | None, store: Store, log: CommandLog
) -> Preview:
    """Return what a run would do; `plans` has the cells on each base, in the order of preference.

    Nothing is fetched, built or run. Raises InputError if `source` does not exist.
    """
    if source is not None:
        named_source(source)
    bases, kernels = [], []
    for cells in plans:
        count = Counter(cell.request for cell in cells)
        for base in map(load_base, dict.fromkeys(cell.request.base for cell in cells)):
            bases.append(PlannedBase(base=base.name, source=_source(base, source, store)))
        kernels += [
            PlannedKernel(
                base=request.base,
                series=request.series,
                arch=request.arch,
                variant=request.variant,
                options=request.options,
                cells=number,
                state=_state(request, store, log),
            )
            for request, number in count.items()
        ]
    capacity = host_capacity()
    cells = plans[0] if plans else ()
    sizes = Counter(
        (cell.machine.name, cell.memory_mib, need(cell, cores=capacity.cores)) for cell in cells
    )
    return Preview(
        bases=tuple(bases),
        kernels=tuple(kernels),
        guests=tuple(
            PlannedGuests(
                machine=machine,
                memory_mib=memory_mib,
                cells=number,
                takes_mib=wanted.memory_mib,
                cores=wanted.cores,
                fits=wanted.memory_mib <= capacity.memory_mib,
            )
            for (machine, memory_mib, wanted), number in sizes.items()
        ),
        cells=len(cells),
        capacity=capacity,
        available_mib=host.available_mib(),
        memory_mib=host.memory_mib(),
    )


def _source(base: Base, given: str | None, store: Store) -> str:
    if given is not None:
        path = named_source(given)
        try:
            if path.is_dir() and not base.accepts(version := tree_version(path)):
                return f"{given} is Linux {version}"
        except InputError:
            pass  # it may have the base's tree in pieces
        return given
    kept = kept_source(base, store=store)
    return "not available: to be fetched" if kept is None else f"{IN_STORE}: {kept.version}"


def _state(request: KernelRequest, store: Store, log: CommandLog) -> str:
    try:
        if request.source is not None:
            base = load_base(request.base)
            if given_source(base, request.source, store=store) is None:
                return TO_BUILD
        inputs = kernel_inputs(request, store=store, log=log)
    except MemnotifyError as error:
        return f"cannot be built: {error.message.partition(chr(10))[0]}"
    if inputs is None:
        return TO_FETCH
    return IN_STORE if store.get(KERNEL, digest_value(inputs)) is not None else TO_BUILD
