"""Shared by all tests: kernels and initramfs from the user's store, and hypothesis' settings."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from memnotify.errors import InfrastructureError
from memnotify.image.build import ensure_image
from memnotify.kernel.build import ensure_kernel
from memnotify.model import Arch, KernelRequest
from memnotify.process import CommandLog
from memnotify.series.quilt import MEM_NOTIFY
from memnotify.store import Artifact, Store

# The same examples on every machine, however slow it is.
settings.register_profile(
    "memnotify",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("memnotify")

BASE = "6.1"
# Trees of bases that may be unavailable; tests that need one are skipped without it.
GIVEN = {"2.6.24": "MEMNOTIFY_SOURCE_2_6_24", "2.6.25": "MEMNOTIFY_SOURCE_2_6_25"}


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


@pytest.fixture(scope="session")
def store() -> Store:
    """Return the store of the user who runs the tests, so that kernels are built once."""
    return Store()


@pytest.fixture(scope="session")
def given_source() -> Callable[[str], str | None]:
    """Return a function (base) that returns the tree to use, None for one that can be fetched.

    It skips the test if the tree of the base must be named and is not.
    """

    def given(base: str) -> str | None:
        if base not in GIVEN:
            return None
        source = os.environ.get(GIVEN[base])
        if not source:
            pytest.skip(f"{GIVEN[base]} names no tree of {base}")
        return source

    return given


@pytest.fixture(scope="session")
def kernel_artifact(
    store: Store,
    given_source: Callable[[str], str | None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Artifact]:
    """Return a function that builds a kernel, or finds it in the store.

    It takes series, arch, base, variant, and the folder of all series. With MEMNOTIFY_OFFLINE set,
    a test is skipped if its kernel cannot be built for lack of its source; otherwise it fails, so
    that nobody takes silence for success.
    """
    log = CommandLog(tmp_path_factory.mktemp("kernel") / "commands.jsonl")

    def build(
        series: str,
        arch: Arch = Arch.X86_64,
        base: str = BASE,
        variant: str = "",
        root: Path = MEM_NOTIFY,
    ) -> Artifact:
        source = given_source(base)
        request = KernelRequest(base=base, series=series, arch=arch, variant=variant, source=source)
        try:
            return ensure_kernel(
                request, store=store, log=log, progress=lambda line: None, series=root
            )
        except InfrastructureError as error:
            if error.kind != "unreachable":
                raise
            reason = f"no source of {base} can be reached: {error.message}"
            if os.environ.get("MEMNOTIFY_OFFLINE"):
                pytest.skip(reason)
            pytest.fail(f"{reason} (MEMNOTIFY_OFFLINE=1 skips such tests)", pytrace=False)

    return build


@pytest.fixture(scope="session")
def kernel(kernel_artifact: Callable[..., Artifact]) -> Callable[..., Path]:
    """Return a function that returns the path of a bzImage, with `kernel_artifact`'s arguments."""
    return lambda *args, **options: kernel_artifact(*args, **options).file("bzImage")


@pytest.fixture(scope="session")
def initramfs(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function (arch) that returns the path of an initramfs."""
    log = CommandLog(tmp_path_factory.mktemp("image") / "commands.jsonl")

    def build(arch: Arch = Arch.X86_64) -> Path:
        return ensure_image(arch, store=store, log=log).file("initramfs.cpio")

    return build
