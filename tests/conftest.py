"""Fixtures that real guests need: kernels and initramfs out of the user's store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import InfrastructureError
from orchestrator.image.build import ensure_image
from orchestrator.kernel.build import ensure_kernel
from orchestrator.model import Arch, KernelRequest
from orchestrator.process import CommandLog
from orchestrator.store import Artifact, Store

BASE = "6.1"


@pytest.fixture(scope="session")
def store() -> Store:
    """The store of the user who runs the tests, so that kernels are built once."""
    return Store()


@pytest.fixture(scope="session")
def kernel_artifact(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Artifact]:
    """Return a function (series, arch=…) that builds a kernel, or finds it in the store.

    With MEMNOTIFY_OFFLINE set, tests whose kernel cannot be built for want of its source are
    skipped; else they fail, so that nobody takes silence for success.
    """
    log = CommandLog(tmp_path_factory.mktemp("kernel") / "commands.jsonl")

    def build(series: str, arch: Arch = Arch.X86_64) -> Artifact:
        request = KernelRequest(base=BASE, series=series, arch=arch)
        try:
            return ensure_kernel(request, store=store, log=log, progress=lambda line: None)
        except InfrastructureError as error:
            if error.kind != "unreachable":
                raise
            reason = f"no source of {BASE} can be reached: {error.message}"
            if os.environ.get("MEMNOTIFY_OFFLINE"):
                pytest.skip(reason)
            pytest.fail(f"{reason} (MEMNOTIFY_OFFLINE=1 skips such tests)", pytrace=False)

    return build


@pytest.fixture(scope="session")
def kernel(kernel_artifact: Callable[..., Artifact]) -> Callable[..., Path]:
    """Return a function (series, arch=…) that gives the path of a bzImage."""
    return lambda series, arch=Arch.X86_64: kernel_artifact(series, arch).file("bzImage")


@pytest.fixture(scope="session")
def initramfs(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function (arch) that gives the path of an initramfs."""
    log = CommandLog(tmp_path_factory.mktemp("image") / "commands.jsonl")

    def build(arch: Arch = Arch.X86_64) -> Path:
        return ensure_image(arch, store=store, log=log).file("initramfs.cpio")

    return build
