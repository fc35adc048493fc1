"""Shared by all tests: kernels and initramfs from the user's store, and hypothesis' settings."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from memnotify.image.build import ensure_image
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.store import Artifact, Store

from tests.support.kernels import Kernels

# The same examples on every machine, however slow it is.
settings.register_profile(
    "memnotify",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("memnotify")


@pytest.fixture(scope="session", autouse=True)
def no_data_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide series that the user who runs the tests has registered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


def _held(how: int) -> Iterator[None]:
    """Hold the lock about the OOM killer against the other workers of a test run."""
    path = Path(tempfile.gettempdir()) / f"memnotify-tests-oom-{os.getuid()}.lock"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, how)
        yield
    finally:
        os.close(file)


@pytest.fixture
def oom_killer() -> Iterator[None]:
    """Lock for tests in which the OOM killer strikes."""
    yield from _held(fcntl.LOCK_EX)


@pytest.fixture
def no_oom_killer() -> Iterator[None]:
    """Lock for tests that kill a QEMU, which must not be taken for the OOM killer's victim."""
    yield from _held(fcntl.LOCK_SH)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a new store."""
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def user_store() -> Store:
    """Return the store of the user who runs the tests, so that kernels are built once."""
    return Store()


@pytest.fixture(scope="session")
def kernel_artifact(user_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    """Return a function that builds a kernel, or finds it in the store: see `Kernels`."""
    return Kernels(user_store, CommandLog(tmp_path_factory.mktemp("kernel") / "commands.jsonl"))


@pytest.fixture(scope="session")
def kernel(kernel_artifact: Callable[..., Artifact]) -> Callable[..., Path]:
    """Return a function that returns the path of a bzImage, with `kernel_artifact`'s arguments."""
    return lambda *args, **options: kernel_artifact(*args, **options).file("bzImage")


@pytest.fixture(scope="session")
def initramfs(user_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function (arch) that returns the path of an initramfs."""
    log = CommandLog(tmp_path_factory.mktemp("image") / "commands.jsonl")

    def build(arch: Arch = Arch.X86_64) -> Path:
        return ensure_image(arch, store=user_store, log=log).file("initramfs.cpio")

    return build
