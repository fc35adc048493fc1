"""Kernels contain no trace of when and where they were built. No guest is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.model import Arch

from tests.support.bases import FORWARD


@pytest.mark.kernel_build
@pytest.mark.parametrize("base", [*FORWARD, "2.6.24"])
def test_the_header_names_a_fixed_builder_and_the_packed_kernel_no_time(
    kernel: Callable[..., Path], base: str
) -> None:
    image = kernel("none", Arch.X86_64, base).read_bytes()
    assert b" (memnotify@memnotify) #1 " in image
    packed = image.index(b"\x1f\x8b\x08")
    time_of_the_file = image[packed + 4 : packed + 8]
    assert time_of_the_file == bytes(4)
