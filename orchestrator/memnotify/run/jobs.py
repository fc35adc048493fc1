"""Turns planned cells into jobs: kernels and images are built when a cell first needs them."""

from __future__ import annotations

from collections.abc import Callable

from memnotify.campaign.plan import bind, cell_id, cell_inputs, cell_name
from memnotify.campaign.row import PlanRow
from memnotify.model import Arch, Cell, KernelRequest
from memnotify.process import CommandLog
from memnotify.report.board import Board
from memnotify.results.summary import Job
from memnotify.run.telling import kernel_name, telling
from memnotify.scenario import Program
from memnotify.store import Artifact, Store

Builder = Callable[..., Artifact]

_LOOKING = "looking in the store"


def row_of(job: Job) -> PlanRow:
    """Return the row of a job in the plan of its run."""
    cell = job.cell
    return PlanRow(id=job.id, name=job.name, source=cell.request.source, inputs=cell_inputs(cell))


class Jobs:
    """The jobs of one process. It waits for builds that are under way in other processes."""

    def __init__(
        self,
        store: Store,
        *,
        log: CommandLog,
        board: Board,
        build_kernel: Builder,
        build_image: Builder,
    ) -> None:
        self._store = store
        self._log = log
        self._board = board
        self._build_kernel = build_kernel
        self._build_image = build_image
        self._images: dict[tuple[Arch, tuple[Program, ...]], Artifact] = {}
        self._kernels: dict[KernelRequest, Artifact] = {}

    def of(self, cell: Cell) -> Job:
        """Return the job of a planned cell. Raises InputError and InfrastructureError.

        Not for asyncio: Ctrl-C must reach the compiler, and would wait for a thread to end.
        """
        kernel, image = self._kernel(cell.request), self._image(cell)
        bound = bind(cell, kernel, image)
        return Job(id=cell_id(bound), name=cell_name(bound), cell=bound, kernel=kernel, image=image)

    def _image(self, cell: Cell) -> Artifact:
        arch, programs = cell.request.arch, cell.programs
        if (arch, programs) not in self._images:
            names = "".join(f" with {program.name}" for program in programs)
            with telling(f"image {arch}{names}", board=self._board) as told:
                told.step(_LOOKING)
                own = {"programs": programs} if programs else {}
                image = self._build_image(arch, store=self._store, log=self._log, **own)
                told.done(image.key[:16])
            self._images[arch, programs] = image
        return self._images[arch, programs]

    def _kernel(self, request: KernelRequest) -> Artifact:
        if request not in self._kernels:
            with telling(kernel_name(request), board=self._board) as told:
                told.step(_LOOKING)
                kernel = self._build_kernel(
                    request,
                    store=self._store,
                    log=self._log,
                    progress=told.step,
                    tell=told.tell,
                )
                told.done(kernel.key[:16])
            self._kernels[request] = kernel
        return self._kernels[request]
