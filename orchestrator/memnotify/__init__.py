"""A QEMU full-system testbed for the mem_notify patch series of 2008.

    import memnotify as mn

    run = mn.open_run("runs/demo")
    run.cells                                # parameters and figures of all cells, a data frame
    cell = run.cell("v4", clients=200, memory_mib=64)
    cell.wakeups, cell.samples, cell.zones   # the log of its guest, as data frames

`__all__` is the stable interface; tests/test_public_api.py pins it. Modules are imported on first
use. Data frames are pandas DataFrames if pandas is installed, otherwise pyarrow Tables.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memnotify.api import load_campaign, run_campaign
    from memnotify.campaign.load import Campaign
    from memnotify.errors import InfrastructureError, InputError, MemnotifyError
    from memnotify.results.frames import CellResults
    from memnotify.results.opened import Run, open_run

__version__ = "0.1.0"

__all__ = [
    "Campaign",
    "CellResults",
    "InfrastructureError",
    "InputError",
    "MemnotifyError",
    "Run",
    "load_campaign",
    "open_run",
    "run_campaign",
]

_MODULES = {
    "Campaign": "campaign.load",
    "CellResults": "results.frames",
    "InfrastructureError": "errors",
    "InputError": "errors",
    "MemnotifyError": "errors",
    "Run": "results.opened",
    "load_campaign": "api",
    "open_run": "results.opened",
    "run_campaign": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
