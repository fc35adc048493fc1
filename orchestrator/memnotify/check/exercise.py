"""What a scenario needs for an invariant to be exercised, in words for its author."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from memnotify.check.promises import Invariant, Promises

_MOST = 20_000  # clients
_SAMPLES = "samples closer together, such as sample_ms = 20, so that one falls beside a wakeup"
_AGAIN = 'clients that poll again at once after a wakeup, such as kind = "poll"'
_MORE = "memory so low for longer that clients are notified: a hog that grows, a smaller balloon"


def needed(invariant: Invariant, promises: Promises, clients: int) -> str:
    """Return what would exercise an invariant that a guest with so many clients did not."""
    return _NEEDS[invariant](promises, clients)


def without_series(invariant: Invariant) -> str:
    """Return the same for a kernel without mem_notify."""
    if invariant is Invariant.SILENCE:
        return "memory so low that the guest reclaims pages: a hog that grows, a smaller balloon"
    return "a guest that gets as far as its scenario"


def _batch_of(promises: Promises, clients: int) -> int | None:
    """Return how many clients one notification wakes; None if that is all of them."""
    if promises.shares is None:
        return None
    return promises.shares(clients, 0)[1]


def _guard(promises: Promises, clients: int) -> str:
    seconds = promises.guard_s(clients) if promises.guard_s is not None else 0.0
    batch = _batch_of(promises, clients)
    if batch is not None and clients > batch:
        return (
            f"fewer clients: one notification wakes {batch} of {clients}, so the same client "
            f"is rarely next within {seconds:g} s; try {max(1, min(batch, clients) * 3 // 10)}"
        )
    return f"pressure that lasts longer than {seconds:g} s after the first wakeup"


def _more_clients(promises: Promises, clients: int) -> str:
    batch = _batch_of(promises, clients)
    if batch is None or clients > batch:
        return f"{_MORE}; and clients whose guard is over"
    # The batch may grow with the number of clients.
    most = next((n for n in range(clients, _MOST) if (_batch_of(promises, n) or n) < n), _MOST)
    return f"more than {most - 1} clients: one notification wakes all of fewer"


def _order(promises: Promises, clients: int) -> str:
    return f"{_more_clients(promises, clients)}, some of whom began to wait 100 ms before others"


def _always(text: str) -> Callable[[Promises, int], str]:
    return lambda promises, clients: text


_NEEDS: Mapping[Invariant, Callable[[Promises, int], str]] = MappingProxyType(
    {
        Invariant.DEVICE: _always("a guest that gets as far as its scenario"),
        Invariant.SILENCE: _always(_MORE),
        Invariant.GUARD: _guard,
        Invariant.RATE: _more_clients,
        Invariant.ONCE: _always(f"{_MORE}; and {_AGAIN}"),
        Invariant.THROTTLE: _always(f"{_MORE}; and {_AGAIN}"),
        Invariant.SWAP: _always("memory so low that the guest swaps while clients wait"),
        Invariant.BATCH: _more_clients,
        Invariant.ORDER: _order,
        Invariant.SIGNALS: _always('clients with fasync = true, or of kind = "fasync"'),
        Invariant.POLLIN: _always(_SAMPLES),
        Invariant.GATE: _always(_SAMPLES),
        Invariant.CLEARS: _always(
            'memory that recovers after a wakeup: a balloon of 100 %, or stop = "hog"'
        ),
        Invariant.SMALL_ZONES: _always("a guest with a zone of less than a tenth of its node"),
    }
)
