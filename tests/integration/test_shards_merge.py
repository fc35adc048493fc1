"""A campaign in parts, run with made-up guests and merged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import cell_name, plan_cells
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.report.board import open_board
from memnotify.results.expectations import expectations, failed
from memnotify.results.folder import RunFolder
from memnotify.run.campaign import run_campaign
from memnotify.run.services import RunOptions
from memnotify.run.shards import Shard, merge
from rich.console import Console

from tests.support.campaigns import TEXT, Bench, Guests, finds


class Parts(Bench):
    """Runs one part of the campaign into its own folder."""

    def part(self, text: str, guests: Any = None) -> RunFolder:
        campaign = load_campaign(self.file)
        cells = plan_cells(campaign)
        shard = Shard.parse(text)
        with open_board(Console(file=self.output, width=500)) as board:
            return run_campaign(
                campaign,
                shard.of(cells, {}),
                self.services(board, guests or Guests()),
                whole=[cell_name(cell) for cell in cells],
                path=self.path.with_name(f"part{shard.number}"),
                options=RunOptions(cold=True),
            )


@pytest.fixture
def bench(tmp_path: Path) -> Parts:
    return Parts(tmp_path)


def test_merged_is_as_run_at_once(bench: Parts) -> None:
    parts = [bench.part("1/2", Guests(finds)), bench.part("2/2")]
    assert [len(part.plan()) for part in parts] == [2, 2]
    merged = RunFolder(bench.path.with_name("merged"))
    assert merge(parts, merged) == []
    whole = bench.run(Guests())
    assert merged.plan() == whole.plan()
    assert [str(row.outcome) for row in merged.verdicts()].count("finding:panic") == 1
    assert all(merged.has(row.id) for row in merged.plan())


def test_merge_prints_what_show_does(bench: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [str(bench.part("1/2").path), str(bench.part("2/2").path)]
    assert main(["merge", *parts, "-o", str(bench.path / "merged"), "--json"]) == 0
    merged = capsys.readouterr().out
    assert main(["show", str(bench.path / "merged"), "--json"]) == 0
    assert merged == capsys.readouterr().out
    assert len(json.loads(merged)) == 4


def test_a_part_that_is_missing_is_said(bench: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    part = bench.part("1/2")
    merged = bench.path.with_name("merged")
    assert main(["merge", str(part.path), "-o", str(merged)]) == 1
    said = capsys.readouterr()
    assert "4 cells: 2 ok, 0 findings, 0 infrastructure failures, 2 not run" in said.out
    assert said.err.count("no result of 6.1-") == 2


def test_what_one_cell_is_enough_for_is_decided_when_all_parts_are_there(
    bench: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    def expecting(wakeups: int) -> int:
        what = f'[[expect]]\nsays = "some wake"\nsome = true\nwhat = "wakeups == {wakeups}"\n'
        bench.file.write_text(TEXT + what)
        parts = [bench.part("1/2"), bench.part("2/2")]
        came_out = [expectations(part, part.verdicts())[0] for part in parts]
        assert {result.met for result in came_out} <= {None, True}
        assert [result.elsewhere for result in came_out].count(True) >= 1
        assert not any(failed([result]) for result in came_out)
        for part in parts:
            assert main(["expect", str(part.path)]) == 0
        assert "open: another part may have a matching cell" in capsys.readouterr().out
        whole = bench.path.with_name(f"whole{wakeups}")
        return main(["merge", *(str(part.path) for part in parts), "-o", str(whole)])

    assert expecting(3) == 0
    assert "met: in 1 of 4" in capsys.readouterr().out
    assert expecting(7) == 1
    assert "NOT met: in 0 of 4" in capsys.readouterr().out


def test_an_interrupted_merge_leaves_nothing(bench: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    part = bench.part("1/2")
    place = bench.path.parent / "new" / "merged"

    def interrupted(*_: object, **__: object) -> None:
        assert not place.exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("shutil.copytree", interrupted)
        merge([part], RunFolder(place))
    assert list(place.parent.iterdir()) == []
    assert len(merge([part], RunFolder(place))) == 2
    assert [path.name for path in place.parent.iterdir()] == ["merged"]


def test_what_was_missing_can_come_later(bench: Parts) -> None:
    first, second = bench.part("1/2"), bench.part("2/2")
    half = RunFolder(bench.path.with_name("half"))
    assert len(merge([first], half)) == 2
    assert merge([half, second], RunFolder(bench.path.with_name("whole"))) == []


def test_what_cannot_be_merged(bench: Parts) -> None:
    first, second = bench.part("1/2"), bench.part("2/2")
    target = RunFolder(bench.path.with_name("merged"))

    def refused(words: str, *more: RunFolder) -> None:
        there = target.path.exists()
        with pytest.raises(InputError, match=words):
            merge([first, second, *more], target)
        assert target.path.exists() is there

    def changed(file: Path, old: str, new: str, words: str) -> None:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        refused(words)
        file.write_text(text)

    changed(second.path / "campaign.toml", "75", "74", "part2 is of another campaign than .*part1")
    changed(second.path / "shard.json", "6.1-", "2.6.24-", "part2 is of another base than .*part1")

    copy = RunFolder(second.path.with_name("copy"))
    merge([second], copy)
    plan = (copy.path / "plan.json").read_text()
    row = json.loads(plan)[0]
    (copy.path / "plan.json").write_text(plan.replace(row["id"], "0123456789abcdef"))
    refused(f"copy: {row['name']} was run with another kernel, image or QEMU there", copy)
    for key, words in (
        ("hardware", r"another QEMU \(or machine profile\) there"),
        ("image", "another image there"),
    ):
        rows = json.loads(plan)
        rows[0]["id"] = "0123456789abcdef"
        rows[0]["inputs"][key] = "of another host"
        (copy.path / "plan.json").write_text(json.dumps(rows))
        refused(f"copy: {row['name']} was run with {words}", copy)

    target.path.mkdir()
    (target.path / "mine").write_text("")
    refused("merged already exists")
    assert [path.name for path in target.path.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["records.parquet", "attempts"])
def test_a_part_with_a_link_is_refused(
    bench: Parts, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    parts = [bench.part("1/2"), bench.part("2/2")]
    secret = bench.path.with_name("secret")
    secret.write_text("not for the merged run")
    link = min(parts[0].cells.iterdir()) / name
    if name == "records.parquet":
        link.rename(secret)  # so that its digest is right
    link.symlink_to(secret)
    merged = bench.path.with_name("merged")
    assert main(["merge", *(str(part.path) for part in parts), "-o", str(merged)]) == 2
    assert f"{link}: a link" in capsys.readouterr().err
    assert not merged.exists()


def test_a_part_without_a_cell_says_so(bench: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["run", str(bench.file), "--shard", "5/9", "-o", str(bench.path / "part")]
    assert main(argv) == 0
    assert "part 5/9 has no cells: the campaign has only 4 cells\n" in capsys.readouterr().err
