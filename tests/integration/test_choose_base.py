"""Which base a campaign runs on if it names several."""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.campaign.load import Campaign, load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.errors import InfrastructureError, InputError
from memnotify.kernel.base import load_base
from memnotify.kernel.source import ensure_source, fetch_source
from memnotify.model import KernelRequest
from memnotify.process import CommandFailed, run
from memnotify.run.base_selection import Preparing, choose_base
from memnotify.run.prepare import fetch_source as prepare_source
from memnotify.store import Store

from tests.support.campaign_text import head, scenario, write

LIST = ["2.6.24-rc6-mm1", "2.6.24", "6.1"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Refuse every connection; return the URLs requested, each with its timeout in seconds."""
    asked: list[tuple[str, float]] = []

    def urlopen(request: object, timeout: float) -> None:
        asked.append((request.full_url, timeout))  # type: ignore[attr-defined]
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


def text_for(bases: str | list[str], arch: str | list[str] | None = None) -> str:
    idle = scenario("idle", (1, "balloon = { percent = 75 }"), duration_s=10)
    text = head(base=bases, arch=arch, series="none", memory_mib=64, machine="pc", scenario="idle")
    return text + idle


def campaign(folder: Path, *bases: str) -> Campaign:
    """Return a campaign for some bases: several, unless it is said which."""
    named = LIST if not bases else bases[0] if len(bases) == 1 else list(bases)
    return load_campaign(write(folder, text_for(named)))


def source(folder: Path, extra: str) -> Path:
    makefile = f"VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = 24\nEXTRAVERSION ={extra}\n".encode()
    path = folder / "linux.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("linux/Makefile")
        info.size = len(makefile)
        archive.addfile(info, io.BytesIO(makefile))
    return path


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[KernelRequest]:
    """Pretend that every kernel can be built; return those that were asked for."""
    asked: list[KernelRequest] = []
    monkeypatch.setattr(
        "memnotify.run.base_selection.ensure_kernel", lambda request, **rest: asked.append(request)
    )
    return asked


def boots(*_: object, **__: object) -> None:
    """Pretend that a kernel boots."""


def test_when_none_can_be_fetched_the_last_is_taken_and_one_line_says_why(
    tmp_path: Path, store: Store, no_network: list[tuple[str, float]]
) -> None:
    said: list[str] = []
    asked = campaign(tmp_path)
    assert choose_base(asked, Preparing(store=store, say=said.append)) == "6.1"
    (line,) = [line for line in said if line.startswith("base ")]
    assert line == (
        "base 6.1; not 2.6.24-rc6-mm1 or 2.6.24: cannot be fetched, "
        "no answer from www.kernel.org and mirrors.edge.kernel.org"
    )
    assert len([line for line in said if line.startswith("downloading")]) == 2
    # Each host that does not answer costs one timeout, not one per file.
    asked_for = [url.split("/")[2] for url, _ in no_network]
    assert len(asked_for) == len(set(asked_for))
    assert sum(patience for _, patience in no_network) <= 15


def test_a_host_that_does_not_answer_is_asked_once_in_ten_minutes(
    tmp_path: Path,
    store: Store,
    no_network: list[tuple[str, float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`make demo` has three processes, one after another; each chooses the base."""
    asked = campaign(tmp_path, "2.6.24", "6.1")
    choose_base(asked, Preparing(store=store, say=print))
    asked_for = len(no_network)
    assert asked_for == 2
    later = time.time() + 300
    monkeypatch.setattr(time, "time", lambda: later)
    said: list[str] = []
    choose_base(asked, Preparing(store=store, say=said.append))
    when = r"at \d\d:\d\d"
    (line,) = [line for line in said if line.startswith("base ")]
    assert re.search(f"from www.kernel.org {when} and mirrors.edge.kernel.org {when}$", line)
    with pytest.raises(InfrastructureError, match="timed out"):
        ensure_source(load_base("2.6.24"), None, store=store, progress=print)
    assert len(no_network) == asked_for
    later += 301
    choose_base(asked, Preparing(store=store, say=print))
    assert len(no_network) == 2 * asked_for
    with pytest.raises(InfrastructureError, match="timed out"):
        fetch_source(load_base("2.6.24"), store=store, progress=print)  # the user asks now
    assert len(no_network) == 3 * asked_for


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"at": "x"}}', '{"a": {}}'])
def test_a_damaged_memory_of_hosts_is_none(
    tmp_path: Path, store: Store, no_network: list[tuple[str, float]], text: str
) -> None:
    (store.folder("downloads") / "no-answer.json").write_text(text)
    choose_base(campaign(tmp_path, "2.6.24", "6.1"), Preparing(store=store, say=print))
    assert len(no_network) == 2


def test_one_in_the_store_is_taken_without_asking_for_others_after_it(
    tmp_path: Path, store: Store, no_network: list[tuple[str, float]], built: list[KernelRequest]
) -> None:
    fetch_source(
        load_base("2.6.24"), str(source(tmp_path, "")), store=store, progress=lambda line: None
    )
    said: list[str] = []
    asked = campaign(tmp_path, "2.6.24", "2.6.24-rc6-mm1", "6.1")
    assert choose_base(asked, Preparing(store=store, say=said.append), boot=boots) == "2.6.24"
    assert said == [f"base 2.6.24, from {tmp_path}/linux.tar"]
    assert no_network == []
    (cell,) = plan_cells(asked, base="2.6.24")
    assert built == [cell.request]


def test_a_given_source_chooses(tmp_path: Path, store: Store, built: list[KernelRequest]) -> None:
    where = str(source(tmp_path, " -rc6-mm1"))
    found = choose_base(
        campaign(tmp_path), Preparing(store=store, say=print), source=where, boot=boots
    )
    assert found == "2.6.24-rc6-mm1"
    assert [request.source for request in built] == [where]


def test_what_a_given_source_chooses_is_prepared(tmp_path: Path, store: Store) -> None:
    said = list[str]()

    def prepare(where: str) -> None:
        prepare_source(campaign(tmp_path), Preparing(store=store, say=said.append), source=where)

    prepare(str(source(tmp_path, "")))
    with pytest.raises(InputError, match=r"2\.6\.24-rc8.* 6\.1"):
        prepare(str(source(tmp_path, " -rc8")))


def test_a_given_compiler_builds(tmp_path: Path, store: Store, built: list[KernelRequest]) -> None:
    asked, where = campaign(tmp_path), str(source(tmp_path, ""))
    base = choose_base(
        asked, Preparing(store=store, say=print), source=where, cc="gcc -g0", boot=boots
    )
    (cell,) = plan_cells(asked, base=base, source=where, cc="gcc -g0")
    assert built == [cell.request]
    assert cell.request.cc == "gcc -g0"


def test_a_compiler_that_is_not_there_is_no_reason_for_another_base(
    tmp_path: Path, store: Store
) -> None:
    with pytest.raises(InputError, match="there is no compiler gcc-2"):
        choose_base(campaign(tmp_path), Preparing(store=store, say=pytest.fail), cc="gcc-2")


@pytest.mark.parametrize("bases", [LIST, ["6.1"]])
def test_a_source_that_is_not_there_is_no_reason_for_another_base(
    tmp_path: Path, store: Store, bases: list[str]
) -> None:
    said: list[str] = []
    with pytest.raises(InputError, match="nothing: no such tree or tarball"):
        choose_base(
            campaign(tmp_path, *bases),
            Preparing(store=store, say=said.append),
            source=str(tmp_path / "nothing"),
        )
    assert said == []


def test_patched_kernels_are_tried_before_the_plain_one(
    tmp_path: Path, store: Store, built: list[KernelRequest]
) -> None:
    text = text_for(["2.6.24", "6.1"], ["i386", "x86_64"])
    path = write(tmp_path, text.replace('"none"', '["none", "v4"]'))
    where = str(source(tmp_path, ""))
    choose_base(load_campaign(path), Preparing(store=store, say=print), source=where, boot=boots)
    assert [(request.series, request.arch.value) for request in built] == [
        ("v4", "i386"),
        ("v4", "x86_64"),
        ("none", "i386"),
        ("none", "x86_64"),
    ]


def test_a_lone_base_is_not_tried(
    tmp_path: Path, store: Store, no_network: list[tuple[str, float]]
) -> None:
    said: list[str] = []
    assert (
        choose_base(campaign(tmp_path, "2.6.24"), Preparing(store=store, say=said.append))
        == "2.6.24"
    )
    assert (said, no_network) == ([], [])


def test_every_base_of_the_list_has_to_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"try\.toml:4: kernel\.base\[1\]: no base is called 2\.4"):
        campaign(tmp_path, "2.6.24", "2.4", "6.1")


def test_a_machine_for_a_variant_that_a_base_lacks_is_refused(tmp_path: Path) -> None:
    text = text_for("6.1", "x86_64").replace('"pc"', '"x86-64-numa"')
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=r"try\.toml:5: kernel\.arch: 6\.1 has no variant"):
        load_campaign(path)
    path.write_text(text.replace("6.1", "2.6.24"))
    (cell,) = plan_cells(load_campaign(path))
    assert cell.request.variant == "numa"


def too_slow(*_: object, **__: object) -> None:
    run(["sleep", "9"], timeout=0.01)


def failing(kind: str, message: str = "so it is") -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise InfrastructureError(kind, message)

    return fail


@pytest.mark.parametrize(
    "fault",
    [too_slow, failing("tools"), failing("host"), failing("disk-full"), failing("store")],
)
def test_what_is_wrong_with_this_host_is_no_reason_for_another_base(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., None]
) -> None:
    monkeypatch.setattr("memnotify.run.base_selection.ensure_kernel", fault)
    said: list[str] = []
    where = str(source(tmp_path, ""))
    with pytest.raises(InfrastructureError) as told:
        choose_base(
            campaign(tmp_path, "2.6.24", "6.1"),
            Preparing(store=store, say=said.append),
            source=where,
        )
    assert told.value.exit_code == 3
    assert not [line for line in said if "6.1" in line]
    if fault is too_slow:
        assert "sleep 9: timed out after 0.01 s, killed" in str(told.value)


@pytest.mark.parametrize(
    "fault",
    [
        failing("qmp-timeout"),
        failing("host-oom"),
        failing("qemu-died", "QEMU exited by itself (killed by SIGKILL)"),
    ],
)
def test_a_boot_that_this_host_cuts_short_is_no_reason_for_another_base(
    tmp_path: Path, store: Store, built: list[KernelRequest], fault: Callable[..., None]
) -> None:
    where = str(source(tmp_path, ""))
    with pytest.raises(InfrastructureError):
        choose_base(campaign(tmp_path), Preparing(store=store, say=print), source=where, boot=fault)


@pytest.mark.parametrize("kind", ["build", "boot", "qemu-died"])
def test_a_kernel_that_is_not_to_be_had_is_one(
    tmp_path: Path, store: Store, built: list[KernelRequest], kind: str
) -> None:
    where = str(source(tmp_path, ""))
    said: list[str] = []
    asked = campaign(tmp_path, "2.6.24", "6.1")
    base = choose_base(
        asked, Preparing(store=store, say=said.append), source=where, boot=failing(kind)
    )
    assert base == "6.1"
    assert "base 6.1; not 2.6.24: so it is" in said


def test_a_full_disk_is_no_reason_for_another_base(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("memnotify.run.base_selection.ensure_source", full)
    with pytest.raises(OSError, match="No space left"):
        choose_base(campaign(tmp_path), Preparing(store=store, say=print))


def test_a_slow_command_of_a_source_is_not_taken_for_a_source_that_is_not_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.kernel.debian.run", too_slow)
    monkeypatch.setattr("memnotify.kernel.source.shutil.which", lambda name: name)
    with pytest.raises(CommandFailed, match="timed out after"):
        fetch_source(load_base("6.1"), None, store=store, progress=print)


def test_who_does_not_get_the_base_that_he_prefers_is_told_how_to(
    tmp_path: Path, store: Store
) -> None:
    said: list[str] = []
    choose_base(campaign(tmp_path), Preparing(store=store, say=said.append))
    told = [line for line in said if "provide it yourself" in line]
    assert len(told) == 2
    assert "kernel fetch 2.6.24 --source TREE" in told[1]
    assert told[1].startswith("for 2.6.24, ")


def test_what_takes_long_is_said(
    tmp_path: Path, store: Store, built: list[KernelRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.telling._SLOW_S", 0.05)
    said: list[str] = []

    def boots_slowly(*_: object, **__: object) -> None:
        deadline = time.monotonic() + 20
        while not said or "booting" not in said[-1]:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    where = str(source(tmp_path, ""))
    choose_base(
        campaign(tmp_path, "2.6.24", "6.1"),
        Preparing(store=store, say=said.append),
        source=where,
        boot=boots_slowly,
    )
    assert "choosing a base: booting 2.6.24 none x86_64" in said
