"""The artifact store: artifacts are complete or absent, built once, and never damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.digest import digest_file, digest_tree, digest_value
from memnotify.store import Store

INPUTS = {"b": [1, "ü"], "a": None}


def fill(folder: Path) -> dict[str, int]:
    (folder / "sub").mkdir()
    (folder / "sub/file").write_text("content")
    return {"answer": 42}


def refuse(folder: Path) -> dict[str, int]:
    raise AssertionError("built although it is there")


def test_what_is_published_is_found_again(tmp_path: Path) -> None:
    made = Store(tmp_path).publish("thing", INPUTS, fill)
    assert made.key == digest_value(INPUTS)
    assert made.file("sub/file").read_text() == "content"
    found = Store(tmp_path).get("thing", made.key)
    assert found == made
    assert (made.inputs, made.facts) == (INPUTS, {"answer": 42})
    assert Store(tmp_path).publish("thing", INPUTS, refuse) == made


def test_other_inputs_are_another_artifact(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keys = {store.publish("thing", {"n": n}, fill).key for n in (1, "1", 1.5)}
    assert len(keys) == 3
    assert {artifact.key for artifact in store.listing("thing")} == keys
    assert store.listing("other") == []


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict[str, int]:
        fill(folder)
        raise RuntimeError("no")

    store = Store(tmp_path)
    with pytest.raises(RuntimeError):
        store.publish("thing", INPUTS, fail)
    assert list((tmp_path / "thing").iterdir()) == []
    assert store.publish("thing", INPUTS, fill).facts == {"answer": 42}


@pytest.mark.parametrize(
    ("file", "text"),
    [("sub/file", "CONTENT"), ("sub/file", "longer content"), ("artifact.json", "{")],
)
def test_a_damaged_artifact_is_built_anew(tmp_path: Path, file: str, text: str) -> None:
    store = Store(tmp_path)
    made = store.publish("thing", INPUTS, fill)
    made.file(file).write_text(text)
    assert store.get("thing", made.key) is None
    again = store.publish("thing", INPUTS, fill)
    assert again.file("sub/file").read_text() == "content"
    assert [path.name for path in (tmp_path / "thing").iterdir()] == [made.key]


def test_an_artifact_that_lost_a_file_is_damaged(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = store.publish("thing", INPUTS, fill)
    made.file("sub/file").unlink()
    assert store.get("thing", made.key) is None


def test_the_drafts_of_the_dead_are_cleared_away_and_those_of_the_living_are_not(
    tmp_path: Path,
) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from memnotify.store import Store\n"
        "with Store(Path(sys.argv[1])).draft('thing', 1) as draft:\n"
        "    (draft.path / 'half').touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "thing").glob("*/artifact/half"))) == 1
    store = Store(tmp_path)
    with store.draft("thing", {"n": 1}) as first:
        assert list((tmp_path / "thing").iterdir()) == [first.path.parent]
        with store.draft("thing", {"n": 2}) as second:
            assert first.path.is_dir()
            assert second.path.is_dir()
    assert list((tmp_path / "thing").iterdir()) == []


def test_what_is_damaged_is_cleared_away_even_if_its_finder_dies(tmp_path: Path) -> None:
    made = Store(tmp_path).publish("thing", INPUTS, fill)
    made.file("sub/file").write_text("damaged")
    script = (
        "import os, shutil, signal, sys; from pathlib import Path\n"
        "from memnotify.store import Store\n"
        "shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store(Path(sys.argv[1])).get('thing', sys.argv[2])\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path, made.key], check=False)
    assert killed.returncode == -signal.SIGKILL
    store = Store(tmp_path)
    assert store.listing("thing") == []
    again = store.publish("thing", INPUTS, fill)
    assert [path.name for path in (tmp_path / "thing").iterdir()] == [again.key]


def test_many_threads_build_once(tmp_path: Path) -> None:
    calls: list[int] = []
    waited: list[int] = []

    def slow(folder: Path) -> dict[str, int]:
        calls.append(1)
        time.sleep(0.2)
        return fill(folder)

    def publish() -> None:
        Store(tmp_path).publish("thing", INPUTS, slow, waiting=lambda: waited.append(1))

    threads = [threading.Thread(target=publish) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(calls), len(waited)) == (1, 4)


def test_what_was_used_longest_ago_is_pruned_unless_it_is_locked(tmp_path: Path) -> None:
    store = Store(tmp_path)
    things = [store.publish("thing", {"n": number}, fill) for number in range(5)]
    size = sum(file.stat().st_size for file in things[0].path.iterdir())
    for thing, used in zip(things, (3, 1, 4, 0, 2), strict=True):
        os.utime(thing.path, (used, used))
    with store.lock(f"thing-{things[3].key}"):
        store.prune("thing", budget=3 * size)
    left = {path.name for path in (tmp_path / "thing").iterdir()}
    assert left == {things[number].key for number in (0, 2, 3, 4)}
    store.prune("thing", budget=2 * size)
    left = {path.name for path in (tmp_path / "thing").iterdir()}
    assert left == {things[number].key for number in (0, 2)}


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=5))
def test_the_digest_of_a_value_ignores_the_order_of_keys(value: dict[str, object]) -> None:
    assert digest_value(value) == digest_value(dict(reversed(value.items())))


def test_the_digest_of_a_tree_sees_names_modes_links_and_contents(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a/file").write_text("x")
    digests = [digest_tree(tree)]
    (tree / "a/file").write_text("y")
    digests.append(digest_tree(tree))
    (tree / "a/file").chmod(0o755)
    digests.append(digest_tree(tree))
    (tree / "a/file").rename(tree / "a/file2")
    digests.append(digest_tree(tree))
    (tree / "link").symlink_to("a")
    digests.append(digest_tree(tree))
    assert len(set(digests)) == len(digests)
    (tree / ".git").mkdir()
    (tree / ".git/HEAD").write_text("z")
    assert digest_tree(tree) == digests[-1]


def test_the_digest_of_a_tree_is_the_same_wherever_it_was_checked_out(tmp_path: Path) -> None:
    digests = set()
    for umask in (0o000, 0o022, 0o077):
        tree = tmp_path / f"{umask:o}"
        (tree / "ü").mkdir(parents=True)
        (tree / "ü/file").touch()
        (tree / "script").touch()
        (tree / "ü/file").chmod(0o666 & ~umask)
        (tree / "script").chmod(0o777 & ~umask)
        if umask:
            (tree / ".git").write_text(f"gitdir: {tmp_path}/{umask}")  # of a work tree
        digests.add(digest_tree(tree))
    assert len(digests) == 1
    # Kernels in the store are built from trees with this digest.
    assert digests == {"42d1ff183c3e443054848f115b82dc04239dedd255e239e1589643c713630d64"}


def test_a_file_that_does_not_change_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def digest(path: Path) -> str:
        read.append(path)
        return digest_file(path)

    store = Store(tmp_path)
    found = store.publish("thing", {"n": 1}, fill)
    monkeypatch.setattr("memnotify.store.digest_file", digest)
    for _ in range(2):  # too young: a change within the same tick of the clock would not show
        assert store.get("thing", found.key) == found
    assert len(read) == 2 * len(set(read))
    monkeypatch.setattr("memnotify.store._SETTLED_NS", -1)
    read.clear()
    for _ in range(3):  # each as another process
        assert Store(tmp_path).get("thing", found.key) == found
    assert len(read) == len(set(read)) > 0
    time.sleep(0.02)
    for file in set(read):
        times = file.stat().st_mtime_ns, file.stat().st_mtime_ns
        file.write_bytes(bytes(file.stat().st_size))
        os.utime(file, ns=times)
    assert Store(tmp_path).get("thing", found.key) is None


def test_a_store_that_cannot_be_written_to_is_read_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Store(tmp_path).publish("thing", {"n": 1}, fill)
    monkeypatch.setattr("memnotify.store._SETTLED_NS", -1)
    (tmp_path / "intact").write_text("where a folder should be")
    for _ in range(2):
        assert Store(tmp_path).get("thing", found.key) == found


def test_the_digest_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert digest_file(tmp_path / "empty").startswith("e3b0c44298fc1c14")


def test_a_key_out_of_a_manifest_leads_nowhere(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    made = store.publish("thing", INPUTS, fill)
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "artifact.json").write_text("what is damaged is thrown away")
    for key in ("../../beside", str(beside), f"../thing/{made.key}", f"{made.key}\n", ""):
        assert store.get("thing", key) is None
    assert beside.is_dir()
