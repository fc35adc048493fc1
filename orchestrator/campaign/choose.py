"""The base of a campaign that names several: the first on which all its kernels can be had."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.campaign.load import Campaign
from orchestrator.campaign.plan import plan_cells
from orchestrator.errors import MemnotifyError
from orchestrator.kernel.base import load_base
from orchestrator.kernel.build import ensure_kernel
from orchestrator.kernel.download import Web
from orchestrator.kernel.source import ensure_source
from orchestrator.model import KernelRequest
from orchestrator.process import CommandLog
from orchestrator.series.quilt import NONE
from orchestrator.store import Store

# A network that swallows everything must not hold up every run: kernel.org has two names, so this
# is paid twice at most.
_PATIENCE = 6.0  # seconds


def choose_base(
    campaign: Campaign,
    *,
    source: str | None = None,
    store: Store,
    log: CommandLog | None = None,
    say: Callable[[str], None],
) -> str:
    """Return the base to run a campaign on, and say in one line which it is and why.

    A base will do if its tree can be had (`source` if that is given, the store's, or a fetched one)
    and every kernel that the campaign needs of it can be built; they are in the store then. What
    goes wrong is the reason for the next base. For the last, and so for a lone one, nothing is
    tried here: what is wrong with it is an error of the build.
    """
    *preferred, last = campaign.table.kernel.base
    web = Web(patience=_PATIENCE)
    reasons: list[str] = []
    for name in preferred:
        try:
            found = ensure_source(
                load_base(name), source, store=store, web=web, log=log, progress=say
            )
            for request in _kernels(campaign, name, source):
                ensure_kernel(request, store=store, log=log or CommandLog(), progress=say)
        except (MemnotifyError, OSError) as error:
            reasons.append(f"not {name}: {_why(error)}")
        else:
            say("; ".join([f"base {name}, from {found.origin}", *reasons]))
            return name
    if reasons:
        say("; ".join([f"base {last}", *reasons]))
    return last


def _kernels(campaign: Campaign, base: str, source: str | None) -> list[KernelRequest]:
    requests = dict.fromkeys(
        cell.request for cell in plan_cells(campaign, base=base, source=source)
    )
    # A series that does not apply shows before anything is compiled.
    return sorted(requests, key=lambda request: request.series == NONE)


def _why(error: Exception) -> str:
    """Return the first line of a message: what follows shows hunks, or what make said."""
    message = error.message if isinstance(error, MemnotifyError) else str(error)
    return message.partition("\n")[0]
