"""The cells of a campaign before they run: `memnotify cells`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memnotify.axes import AXES, Value
from memnotify.campaign.plan import bind, cell_id, cell_name
from memnotify.digest import digest_value
from memnotify.errors import MemnotifyError
from memnotify.image.build import ensure_image
from memnotify.kernel.build import kernel_inputs
from memnotify.model import Cell, KernelRequest
from memnotify.process import CommandLog
from memnotify.run.durations import Durations
from memnotify.run.need import host_capacity, need
from memnotify.store import Artifact, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenCell:
    """A cell: the most host memory that it takes, and how long it took the last time, if ever.

    `id` is None if its kernel's source is not there yet, or its kernel cannot be built here.
    """

    id: str | None
    name: str
    point: Mapping[str, Value]
    takes_mib: int
    seconds: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            **self.point,
            "takes_mib": self.takes_mib,
            "seconds": self.seconds,
        }


def foresee(
    cells: Sequence[Cell], *, store: Store, log: CommandLog
) -> tuple[list[ForeseenCell], list[str]]:
    """Return the cells, and a line for each kernel whose cells have no id yet.

    Nothing is fetched, and no kernel is built.
    """
    kernels: dict[KernelRequest, str | None] = {}
    wrong = []
    for request in dict.fromkeys(cell.request for cell in cells):
        kernels[request], why = _kernel(request, store, log)
        if why is not None:
            wrong.append(f"no ids with {request.base} {request.series} {request.arch}: {why}")
    known, cores = Durations(store).known(), host_capacity().cores
    found = [
        ForeseenCell(
            id=_id(cell, kernels[cell.request], store, log),
            name=cell_name(cell),
            point={name: axis.of(cell) for name, axis in AXES.items()},
            takes_mib=need(cell, cores=cores).memory_mib,
            seconds=known.get(cell_name(cell)),
        )
        for cell in cells
    ]
    return found, wrong


def _kernel(request: KernelRequest, store: Store, log: CommandLog) -> tuple[str | None, str | None]:
    try:
        inputs = kernel_inputs(request, store=store, log=log)
    except MemnotifyError as error:
        return None, error.message.partition("\n")[0]
    if inputs is None:
        return None, "the source is not in the store"
    return digest_value(inputs), None


def _id(cell: Cell, key: str | None, store: Store, log: CommandLog) -> str | None:
    if key is None:
        return None
    image = ensure_image(cell.request.arch, store=store, log=log, programs=cell.programs)
    kernel = Artifact("kernel", key, store.root / "kernel" / key, {}, {})
    return cell_id(bind(cell, kernel, image))
