"""The stages of a first run: what is written about them, and what is printed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.image.build import INITRAMFS
from memnotify.places import CAMPAIGNS
from memnotify.process import CommandLog
from memnotify.run import prepare
from memnotify.run.base_selection import Preparing
from memnotify.run.stages import Stage, read_stages, stage_lines, timed_in
from memnotify.store import Artifact, Store

from tests.support.campaign_text import head, scenario, write


def test_what_was_side_by_side_is_not_added_up(tmp_path: Path) -> None:
    file = tmp_path / "stages"
    file.write_text("pip\t103.0\t113.5\nsource\t100.0\t104.0\npip\t120.0\t121.0\n")
    stages = read_stages(file)
    assert stages == [Stage("source", 100, 104, 4), Stage("pip", 103, 121, 11.5)]
    assert stage_lines(stages) == [
        "stage   began s  took s",
        "source      0.0     4.0",
        "pip         3.0    11.5",
        "all         0.0    21.0",
    ]


def test_the_last_end_counts_wherever_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "stages"
    file.write_text("pip\t120.0\t121.0\npip\t103.0\t113.5\nsource\t100.0\t104.0\n")
    assert stage_lines(read_stages(file))[-1].split() == ["all", "0.0", "21.0"]


def test_a_stage_that_fails_is_noted_too(tmp_path: Path) -> None:
    timed = timed_in(tmp_path / "stages")
    with timed("one"):
        pass
    with pytest.raises(ZeroDivisionError), timed("two"):
        raise ZeroDivisionError
    assert {stage.name for stage in read_stages(tmp_path / "stages")} == {"one", "two"}


@pytest.mark.parametrize("text", ["pip\n", "pip\tnow\tthen\n", "a\t1\t2\t3\n"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "stages").write_text(text)
    with pytest.raises(InputError, match="stages: not a file of stages"):
        read_stages(tmp_path / "stages")


@pytest.mark.parametrize("option", [[], ["--prepare=source"]])
def test_a_file_that_cannot_take_stages_is_refused_before_any_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: list[str],
) -> None:
    for work in ("choose_base", "fetch_source"):
        monkeypatch.setattr(f"memnotify.cli.run.{work}", lambda *_, **__: pytest.fail("work"))
    notes, absent = tmp_path / "notes.txt", tmp_path / "absent" / "stages"
    notes.write_text("mine\n")
    for file, words in ((notes, "not a file of stages"), (absent, "cannot be written")):
        campaign = str(CAMPAIGNS / "demo.toml")
        assert main(["run", campaign, f"--stages={file}", *option]) == 2
        assert f"{file}: {words}" in capsys.readouterr().err
    assert notes.read_text() == "mine\n"


@pytest.mark.parametrize("option", ["--prepare=kernels", "--stages=x"])
def test_nothing_is_done_in_a_plan(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert main(["run", str(CAMPAIGNS / "demo.toml"), "--plan", option]) == 2
    name = option.partition("=")[0]
    assert f"{name} cannot be combined with --plan" in capsys.readouterr().err


def test_a_base_is_passed_over_only_for_its_own_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    kinds = {"2.6.24-rc6-mm1": "unreachable", "2.6.24": "disk-full"}

    def ensure(base: object, *_: object, **__: object) -> None:
        name = getattr(base, "name", "")
        asked.append(name)
        if name in kinds:
            raise InfrastructureError(kinds[name], name)

    def fetch() -> None:
        prepare.fetch_source(
            load_campaign(CAMPAIGNS / "demo.toml"),
            Preparing(
                store=Store(tmp_path),
                log=CommandLog(),
                say=lambda line: None,
                timed=timed_in(tmp_path / "stages"),
            ),
            source=None,
        )

    monkeypatch.setattr(prepare, "ensure_source", ensure)
    with pytest.raises(InfrastructureError, match=r"2\.6\.24"):
        fetch()
    kinds["2.6.24"] = "checksum"
    fetch()
    assert asked == ["2.6.24-rc6-mm1", "2.6.24", "2.6.24-rc6-mm1", "2.6.24", "6.1"]
    kinds |= {"6.1": "unreachable", "6.12": "unreachable"}
    with pytest.raises(InfrastructureError, match=r"6\.12"):
        fetch()


def test_who_waits_for_the_compiler_of_a_client_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.c").write_text("int main(void) { return 0; }\n")
    text = head(base="6.1", series="none", memory_mib=64, machine="pc", scenario="idle")
    step = 'clients = { program = "mine.c", count = 1 }'
    write(tmp_path, text + scenario("idle", (1, step), duration_s=10))
    cells = plan_cells(load_campaign(tmp_path / "try.toml"))
    said: list[str] = []

    (tmp_path / INITRAMFS).touch()

    def compiles(*_: object, **__: object) -> Artifact:
        deadline = time.monotonic() + 20
        while not said:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return Artifact("image", "made-up", tmp_path, {}, {})

    monkeypatch.setattr("memnotify.run.telling._SLOW_S", 0.05)
    monkeypatch.setattr("memnotify.run.prepare.ensure_image", compiles)
    prepare.build_clients(cells, Preparing(store=Store(tmp_path / "store"), say=said.append))
    assert said == ["compiling mine.c for x86_64"]
