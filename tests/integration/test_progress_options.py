"""--quiet and --json-lines: what a command prints of its progress, and for whom."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from memnotify.cli.main import main
from memnotify.guest.view import Glimpse, View
from memnotify.kernel.compiled import Compiled
from memnotify.model import Cell, CellResult, Finding, Outcome
from memnotify.report import events
from memnotify.report.events import JsonBoard
from memnotify.run.services import Services

from tests.support import event_schema
from tests.support.campaigns import Bench, Guests, fails, finds

Said = pytest.CaptureFixture[str]
Run = Callable[..., int]


@pytest.fixture
def run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return `memnotify run` with made-up guests, in which `plan` happens."""

    def run(*words: str, plan: tuple[Any, ...] = ()) -> int:
        fake: dict[str, Any] = {
            "build_kernel": bench.build_kernel,
            "build_image": bench.build_image,
        }
        services = partial(Services, **fake, runner=Guests(*plan))
        monkeypatch.setattr("memnotify.cli.run.Services", services)
        monkeypatch.setattr("memnotify.cli.run.Store", lambda: bench.store)
        argv = ["run", str(bench.file), "--cold", "-j", "1", "-o", str(bench.path), *words]
        return main(argv)

    return run


def read(text: str) -> list[dict[str, Any]]:
    """Return the events, each of which has to be one line that meets the schema."""
    found = [json.loads(line) for line in text.splitlines()]
    schema = json.loads(event_schema.FILE.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    for event in found:
        validator.validate(event)
        assert next(iter(event)) == "event"
    times = [event["time"] for event in found]
    assert times == sorted(times)
    return found


def test_the_schema_is_that_of_the_events() -> None:
    assert event_schema.FILE.read_text(encoding="utf-8") == event_schema.text(), (
        "write it anew: python -m tests.support.event_schema"
    )
    page = event_schema.FILE.with_name("events.md").read_text(encoding="utf-8")
    for one in event_schema.schema()["$defs"].values():
        name = one["properties"]["event"]["const"]
        assert f"| `{name}` |" in page
        for field in set(one["properties"]) - {"event", "time"}:
            assert f"`{field}`" in page, f"{name}: {field}"
    assert f"version {events.VERSION}" in page


def test_an_event_that_is_none_is_refused() -> None:
    for wrong in ({"event": "note", "time": 1.0}, {"event": "nothing", "time": 1.0}):
        with pytest.raises(jsonschema.ValidationError):
            read(json.dumps(wrong))


def test_a_run_as_json_lines(run: Run, bench: Bench, capsys: Said) -> None:
    assert run("--json-lines", plan=(finds,)) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found = read(said.out)
    assert found[0]["event"] == "begin" and found[0]["command"] == "run"
    assert found[0]["version"] == events.VERSION
    names = [event["event"] for event in found]
    assert names[-1] == "result" and names.count("finished") == 4
    (planned,) = [event for event in found if event["event"] == "planned"]
    assert (planned["cells"], planned["there"], planned["seconds_left"]) == (4, 0, None)
    ended = [event for event in found if event["event"] == "finished"]
    assert [(one["done"], one["cells"]) for one in ended] == [(n, 4) for n in (1, 2, 3, 4)]
    assert sorted(one["outcome"] for one in ended) == ["finding:panic", "ok", "ok", "ok"]
    assert {event["what"] for event in found if event["event"] == "built"} == {
        "kernel 6.1 none x86_64",
        "kernel 6.1 v4 x86_64",
        "image x86_64",
    }
    assert main(["show", str(bench.path), "--json"]) == 0
    assert found[-1]["result"] == json.loads(capsys.readouterr().out)


def test_a_second_run_knows_the_time(run: Run, capsys: Said) -> None:
    assert run() == 0
    capsys.readouterr()
    assert run("--json-lines", "--again") == 0
    found = read(capsys.readouterr().out)
    (planned,) = [event for event in found if event["event"] == "planned"]
    assert planned["seconds_left"] == 6.0  # 1.5 s each


def test_an_error_stays_one_line_on_stderr(run: Run, capsys: Said) -> None:
    assert run("--json-lines", "--source", "/none") == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "/none" in said.err
    assert [event["event"] for event in read(said.out)] == ["begin"]


def test_quiet_prints_the_result_and_warnings(run: Run, bench: Bench, capsys: Said) -> None:
    assert run("--quiet", plan=(fails,)) == 0
    said = capsys.readouterr()
    assert said.err.startswith("warning: ") and "trying again" in said.err
    assert said.err.count("\n") == 1
    lines = said.out.splitlines()
    assert lines[0] == "6.1 x86_64 pc-swap squeeze" and lines[-1] == f"results in {bench.path}"
    assert run() == 0
    assert "4 cells, 4 of them already finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--json"], "cannot be combined with --json"),
        (["--quiet"], "cannot be combined with --quiet"),
        (["--plan"], "cannot be combined with --plan"),
    ],
)
def test_what_excludes_one_another(run: Run, capsys: Said, words: list[str], why: str) -> None:
    assert run("--json-lines", *words) == 2
    said = capsys.readouterr()
    assert why in said.err and said.err.count("\n") == 1 and said.out == ""


@pytest.mark.parametrize(
    "words",
    [["image", "build", "--arch", "x86_64"], ["kernel", "fetch", "6.1", "--source", "/none"]],
)
def test_other_commands_have_the_same_options(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    statuses = {main([*words, "--json-lines"])}
    found = read(capsys.readouterr().out)
    assert found[0]["command"] == " ".join(words[:2])
    statuses.add(main([*words, "--quiet"]))
    assert len(statuses) == 1
    if statuses == {0}:
        assert [row["arch"] for row in found[-1]["result"]] == ["x86_64"]
        assert "initramfs.cpio" in capsys.readouterr().out


def test_a_guest_tells_every_other_second(capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PERIOD_SECONDS", 0.02)
    started = time.monotonic()

    class Looks:
        def look(self) -> Glimpse | None:
            seconds = time.monotonic() - started
            found = (Finding.HANG,)
            return Glimpse(guest_s=seconds, of_s=40, wakeups=3, findings=found)

    with JsonBoard(sys.stdout, command="run") as board:
        board.planned(1, 0, {"a": 9.0})
        board.stage("a", "run")
        board.view("a", cast(View, Looks()))
        board.compiled("kernel", Compiled(3, 9, most=True))
        board.failed("kernel", "failed")
        time.sleep(0.5)
        board.finished("a", Outcome())
        board.warn("\x1b[31m\n")
    found = read(capsys.readouterr().out)
    told = [event for event in found if event["event"] == "guest"]
    assert len(told) > 5
    assert told[-1]["wakeups"] == 3 and told[-1]["findings"] == ["hang"] and told[-1]["of"] == 40
    assert told[-1]["pace"] == pytest.approx(1, abs=0.2)
    (compiled,) = [event for event in found if event["event"] == "compiled"]
    assert (compiled["files"], compiled["of"], compiled["most"]) == (3, 9, True)


def test_nobody_looks_at_a_guest_where_there_is_no_board(bench: Bench) -> None:
    looked: list[str] = []

    async def watched(cell: Cell, **rest: Any) -> CellResult:
        class Looks:
            def look(self) -> None:
                looked.append(cell.scenario.name)

        rest["watcher"].on_view(Looks())
        return await Guests()(cell, **rest)

    bench.run(watched)
    assert not looked
