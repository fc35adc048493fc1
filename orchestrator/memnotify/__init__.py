"""A QEMU full-system testbed for the mem_notify patch series of 2008.

    import memnotify as mn

    run = mn.open_run("runs/demo")
    run.cells                                # parameters and figures of all cells, a data frame
    run.reactions                            # the figures by which revisions are compared
    cell = run.cell("v4", clients=200, memory_mib=64)
    cell.wakeups, cell.samples, cell.zones   # the log of its guest, as data frames

`__all__` is the stable interface; tests/unit/test_public_api.py pins it. Modules are imported on
first use. Data frames are pandas DataFrames if pandas is installed, otherwise pyarrow Tables.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memnotify.api import load_campaign, run_campaign
    from memnotify.campaign.load import Campaign
    from memnotify.errors import InfrastructureError, InputError, MemnotifyError
    from memnotify.results.evidence import Chosen
    from memnotify.results.frames import CellResults
    from memnotify.results.opened import Run, open_run

    __version__: str

__all__ = [
    "Campaign",
    "CellResults",
    "Chosen",
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
    "Chosen": "results.evidence",
    "InfrastructureError": "errors",
    "InputError": "errors",
    "MemnotifyError": "errors",
    "Run": "results.opened",
    "load_campaign": "api",
    "open_run": "results.opened",
    "run_campaign": "api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = _version()
    elif name in _MODULES:
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _version() -> str:
    """Return the version of the installed package: in a checkout, that of its last installation."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(__name__)
    except PackageNotFoundError:
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", *(name for name in globals() if name.startswith("__"))})
