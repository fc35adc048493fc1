"""The bases that every revision was carried forward to, and which of them this machine has."""

from __future__ import annotations

import functools
import os

from memnotify.kernel import debian
from memnotify.kernel.base import DebianSource, load_base
from memnotify.kernel.stored import kept_source
from memnotify.store import Store

FORWARD = ("6.1", "6.12")

NAMED = "MEMNOTIFY_TEST_BASE"


@functools.cache
def modern() -> str:
    """Return the base of the tests that need some kernel: the first of FORWARD that is available.

    A distribution has the source of one of them. What MEMNOTIFY_TEST_BASE names is taken unseen.
    """
    if named := os.environ.get(NAMED):
        if named not in FORWARD:
            raise ValueError(f"{NAMED}={named}: not one of {', '.join(FORWARD)}")
        return named
    store = Store()
    packaged = set(debian.kernel_sources()) if debian.has_apt() else set()
    for name in FORWARD:
        base = load_base(name)
        packages = {one.package for one in base.table.source if isinstance(one, DebianSource)}
        if packages & packaged or kept_source(base, store=store) is not None:
            return name
    return FORWARD[0]
