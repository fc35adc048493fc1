"""The base of a campaign that names several: the first whose source can be had."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.campaign.load import Campaign
from orchestrator.errors import MemnotifyError
from orchestrator.kernel.base import load_base
from orchestrator.kernel.download import Web
from orchestrator.kernel.source import ensure_source
from orchestrator.process import CommandLog
from orchestrator.store import Store


def choose_base(
    campaign: Campaign,
    *,
    source: str | None = None,
    store: Store,
    log: CommandLog | None = None,
    say: Callable[[str], None],
) -> str:
    """Return the base to run a campaign on, and say in one line which it is and why.

    Each is taken from `source` if that is given, from the store, or fetched; what goes wrong is
    the reason for the next one. For the last, and so for a lone one, nothing is tried here: what is
    wrong with it is an error of the build.
    """
    *preferred, last = campaign.table.kernel.base
    web = Web()
    reasons = []
    for name in preferred:
        try:
            found = ensure_source(
                load_base(name), source, store=store, web=web, log=log, progress=say
            )
        except (MemnotifyError, OSError) as error:
            reason = error.message if isinstance(error, MemnotifyError) else str(error)
            reasons.append(" ".join(reason.split()))
        else:
            say("; ".join([f"base {name}: its source is {found.origin}", *reasons]))
            return name
    if reasons:
        say(f"base {last}: {'; '.join(reasons)}")
    return last
