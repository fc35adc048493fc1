"""Kernels that carry nothing of the machine that they were built on. No guest is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model import Arch


@pytest.mark.kernel_build
@pytest.mark.parametrize("base", ["6.1", "2.6.24"])
def test_the_version_names_the_same_builder_everywhere(
    kernel: Callable[..., Path], base: str
) -> None:
    # In the header of bzImage, which is not compressed.
    assert b" (memnotify@memnotify) #1 " in kernel("none", Arch.X86_64, base).read_bytes()
