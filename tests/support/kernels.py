"""Kernels for tests: from the store, or built; and what becomes of a test that gets none."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError
from memnotify.kernel.build import ensure_kernel
from memnotify.kernel.source import UNREACHABLE
from memnotify.model import Arch, KernelRequest
from memnotify.process import CommandLog
from memnotify.series.quilt import MEM_NOTIFY
from memnotify.store import Artifact, Store

from tests.support.bases import FORWARD, modern

# Trees of bases that may be unavailable; tests that need one are skipped without it.
GIVEN = {
    "2.6.24": "MEMNOTIFY_SOURCE_2_6_24",
    "2.6.25": "MEMNOTIFY_SOURCE_2_6_25",
    "6.12": "MEMNOTIFY_SOURCE_6_12",
    "7.3": "MEMNOTIFY_SOURCE_7_3",
}


def given_source(base: str) -> str | None:
    """Return the tree to use, None for one that can be fetched.

    Skips the test if the tree of the base must be named and is not. One that some distributions
    have need not be named.
    """
    if base not in GIVEN:
        return None
    source = os.environ.get(GIVEN[base])
    if not source and base not in FORWARD:
        pytest.skip(f"{GIVEN[base]} names no tree of {base}")
    return source or None


@dataclass(frozen=True)
class Kernels:
    """Builds kernels, or finds them in the store."""

    store: Store
    log: CommandLog
    # By base, why: looking for a source on the network takes its time.
    absent: dict[str, str] = field(default_factory=dict)

    def __call__(
        self,
        series: str,
        arch: Arch = Arch.X86_64,
        base: str = "",
        variant: str = "",
        root: Path = MEM_NOTIFY,
    ) -> Artifact:
        """Return a kernel; without `base` it is one of `modern()`. `root` has all series.

        If its source is not available, the test fails: nobody shall take silence for success. It is
        skipped with MEMNOTIFY_OFFLINE set, or if the machine has another of FORWARD: the tests of
        what all of them promise run on that one.
        """
        base = base or modern()
        source = given_source(base)
        if base in self.absent:
            pytest.skip(self.absent[base])
        request = KernelRequest(base=base, series=series, arch=arch, variant=variant, source=source)
        try:
            return ensure_kernel(
                request, store=self.store, log=self.log, progress=lambda line: None, series=root
            )
        except InfrastructureError as error:
            if error.kind != UNREACHABLE:
                raise
            reason = f"no source of {base} can be had: {error.message}"
            other = base in FORWARD and base != modern()
            if other:
                reason = f"{reason} (memnotify kernel fetch {base} --source PATH takes yours)"
                self.absent[base] = reason
            if other or os.environ.get("MEMNOTIFY_OFFLINE"):
                pytest.skip(reason)
            pytest.fail(f"{reason} (MEMNOTIFY_OFFLINE=1 skips such tests)", pytrace=False)
