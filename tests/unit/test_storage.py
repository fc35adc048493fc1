"""What is in the store, and that `store prune` removes nothing in use or needed by a run."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.run.storage import KINDS, items, needed_by, prune
from memnotify.store import Artifact, Store

Capture = pytest.CaptureFixture[str]
OLD = 1_000_000_000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return Store()


def add(store: Store, kind: str, name: str, used: int = OLD) -> Artifact:
    def build(folder: Path) -> dict[str, str]:
        (folder / "file").write_bytes(b"x" * 5000)
        return {"version": "1"}

    artifact = store.publish(kind, {"base": name, "arch": "x86_64"}, build)
    for path in (*artifact.path.iterdir(), artifact.path):
        os.utime(path, (used, used))
    return artifact


def removed(store: Store, *, days: float = 30, dry_run: bool = False) -> dict[str, str | None]:
    needed = needed_by([Path("runs")])
    found = prune(store, kinds=KINDS, unused_s=days * 86_400, needed=needed, dry_run=dry_run)
    return {one.item.key: one.kept for one in found}


def test_what_is_old_goes_and_what_was_used_stays(store: Store) -> None:
    old, new = add(store, "kernel", "old"), add(store, "kernel", "new")
    tree = store.folder("trees") / "6.1-x86_64-0123"
    tree.mkdir()
    os.utime(tree, (OLD, OLD))
    assert store.get("kernel", new.key) is not None  # as a run does
    assert {item.kind for item in items(store)} == {"kernel", "trees"}
    assert removed(store, dry_run=True) == {old.key: None, tree.name: None}
    assert old.path.exists() and tree.exists()
    assert removed(store) == {old.key: None, tree.name: None}
    assert not old.path.exists() and not tree.exists() and new.path.exists()


def test_what_was_sent_in_part_goes_unless_somebody_waits_for_the_rest(store: Store) -> None:
    manifest = b"{}"
    places = {name: store.folder("incoming") / f"kernel-{name * 64}" for name in "ab"}
    for place in places.values():
        place.mkdir()
        (place / "artifact.json").write_bytes(manifest)
        (place / "bzImage").write_bytes(b"x" * 5000)
    for path in (*places["a"].iterdir(), places["a"]):
        os.utime(path, (OLD, OLD))
    found = {item.key: item for item in items(store, ["incoming"])}
    assert found.keys() == {place.name for place in places.values()}
    assert found[places["a"].name].size >= 5000
    assert found[places["a"].name].lock == places["a"].name  # as delivery.finish holds it
    assert removed(store, days=0) == {places["a"].name: None, places["b"].name: "in use"}
    assert not places["a"].exists() and places["b"].exists()


def test_what_a_run_needs_for_a_replay_stays_and_is_named(store: Store) -> None:
    kernel, other = add(store, "kernel", "one"), add(store, "kernel", "two")
    run = Path("runs/deep/demo")
    run.mkdir(parents=True)
    row = {"id": "a", "name": "b", "inputs": {"kernel": kernel.key, "image": "c"}}
    (run / "plan.json").write_text(json.dumps([row]))
    assert removed(store, days=0) == {
        kernel.key: "runs/deep/demo needs it for a replay",
        other.key: None,
    }
    assert kernel.path.exists() and not other.path.exists()


def test_a_run_whose_needs_are_not_known_stops_it(store: Store, capsys: Capture) -> None:
    kernel = add(store, "kernel", "one")
    Path("runs/demo").mkdir(parents=True)
    Path("runs/demo/plan.json").write_text("{")
    assert main(["store", "prune"]) == 2
    assert "what runs/demo needs is not known" in capsys.readouterr().err
    assert kernel.path.exists()


@pytest.mark.parametrize(
    ("lock", "kept"),
    [
        ("kernel-{key}", {"kernel"}),
        ("run-0123", {"kernel"}),
        ("tree-6.1", {"trees", "source"}),
        ("template-other", set()),
    ],
)
def test_what_another_process_uses_stays(store: Store, lock: str, kept: set[str]) -> None:
    kernel, source = add(store, "kernel", "one"), add(store, "source", "one")
    tree = store.folder("trees") / "6.1"
    tree.mkdir()
    os.utime(tree, (OLD, OLD))
    program = (
        "import sys; from memnotify.store import Store\n"
        "with Store().lock(sys.argv[1]): print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, lock.format(key=kernel.key)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        found = removed(store)
        holder.communicate()
    there = {"kernel": kernel.path, "source": source.path, "trees": tree}
    assert {kind for kind, path in there.items() if path.exists()} >= kept
    if lock.startswith("kernel"):  # a build may read the source
        kept = kept | {"source"}
    assert {kind for kind, path in there.items() if path.exists()} == kept
    assert {why for why in found.values() if why} == ({"in use"} if kept else set())


def test_the_commands(store: Store, capsys: Capture) -> None:
    add(store, "kernel", "one")
    assert main(["store", "list", "--json"]) == 0
    rows = {row["kind"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == KINDS.keys() and rows["kernel"]["number"] == 1
    assert rows["kernel"]["size"] >= 5000
    assert main(["store", "list", "kernel", "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["what"] == "one x86_64"
    assert main(["store", "prune", "kernel", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "would remove kernel " in out and "would remove 1 thing, " in out
    assert main(["store", "prune", "--json"]) == 0
    assert [one["kept"] for one in json.loads(capsys.readouterr().out)] == [None]
    for words in (["kernl"], ["--unused", "-1"]):
        with pytest.raises(SystemExit) as ended:
            main(["store", "prune", *words])
        assert ended.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
