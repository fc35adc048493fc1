"""What the revisions promise: the data of each, the loader, and the patches beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from unidiff import PatchSet

from orchestrator.errors import InputError
from orchestrator.series.quilt import MEM_NOTIFY, load_series, revisions
from orchestrator.series.revision import Revision, load_revision

OURS = [(name, base) for name in ("v3", "v5", "v6") for base in revisions()[name]]
V6 = (MEM_NOTIFY / "v6/revision.toml").read_text()


def promised(name: str) -> Revision:
    found = load_revision(name)
    assert found is not None
    return found


def user_revision(root: Path, text: str | None) -> Path:
    """Make a revision `mine` for 6.1 with this revision.toml; returns the file's path."""
    folder = root / "mine"
    (folder / "6.1").mkdir(parents=True)
    (folder / "6.1/series").write_text("")
    if text is not None:
        (folder / "revision.toml").write_text(text)
    return folder / "revision.toml"


@pytest.mark.parametrize(
    ("name", "limits"),
    [  # with 1, 15, 16, 50, 100, 200, 1600 and 3200 watchers, worked out by hand
        ("v3", [1, 15, 16, 50, 100, 200, 1600, 3200]),
        ("v4", [100, 100, 100, 100, 100, 100, 100, 200]),
        ("v5", [1, 1, 2, 4, 7, 13, 100, 100]),
        ("v6", [1, 1, 2, 4, 7, 13, 100, 100]),
    ],
)
def test_how_many_a_notification_wakes(name: str, limits: list[int]) -> None:
    batch = promised(name).batch
    assert [batch.limit(n) for n in (1, 15, 16, 50, 100, 200, 1600, 3200)] == limits


@pytest.mark.parametrize(
    ("name", "seconds"),
    [  # with 1, 15, 50 and 200 watchers
        ("v3", [0, 0, 0, 0]),
        ("v4", [10, 10, 10, 10]),
        ("v5", [10, 10, 10, 10]),
        ("v6", [0.2, 3, 10, 10]),
    ],
)
def test_how_long_a_file_is_left_alone(name: str, seconds: list[float]) -> None:
    revision = promised(name)
    assert [revision.guard_s(n) for n in (1, 15, 50, 200)] == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("name", "watchers", "fasync", "shares"),
    [
        ("v4", 200, 20, (0, 100)),  # has no fasync
        ("v5", 15, 1, (0, 1)),  # 1 * 1 / 15
        ("v5", 128, 32, (2, 7)),  # 9 * 32 / 128 = 2.25
        ("v5", 32, 32, (3, 0)),
        ("v6", 15, 1, (1, 1)),
        ("v6", 128, 32, (3, 7)),  # 2.25 and 6.75
        ("v6", 200, 0, (0, 13)),
        ("v6", 0, 0, (0, 0)),
    ],
)
def test_who_shares_a_batch(name: str, watchers: int, fasync: int, shares: tuple[int, int]) -> None:
    assert promised(name).shares(watchers, fasync) == shares


def test_v5_divides_by_zero_when_nobody_watches() -> None:
    with pytest.raises(ZeroDivisionError):
        promised("v5").shares(0, 0)


def test_a_revision_without_promises_is_one(tmp_path: Path) -> None:
    user_revision(tmp_path, None)
    assert load_revision("mine", root=tmp_path) is None
    assert load_revision("none") is None
    with pytest.raises(InputError, match="no series is called yours"):
        load_revision("yours", root=tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "small_zone_divisor",
            "small_zone_diviser",
            "unknown key .did you mean small_zone_divisor",
        ),
        ("seconds = 0.2, ", "", "seconds: this key is missing"),
        ('"fifo", shift = 4', '"all", shift = 4', 'order = "all" has no at_most, plus, shift'),
        ('"fifo", shift = 4', '"fifo"', 'order = "fifo" needs shift'),
        ("plus = 1,", "at_least = 101,", "at_most is less than at_least"),
        ("ms = 200", "ms = 0", "rate.ms: .*not 0"),
        ('"ceil"', '"round"', "fasync: .*not 'round'"),
    ],
)
def test_wrong_promises_are_refused_by_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert V6.count(old) == 1
    text = V6.replace(old, new)
    path = user_revision(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_revision("mine", root=tmp_path)
    changed = next(n for n, line in enumerate(text.splitlines(), 1) if line not in V6.splitlines())
    assert str(caught.value).startswith(f"{path}:{changed}: ")
    assert re.search(says, str(caught.value))


@pytest.mark.parametrize(("name", "base"), OURS)
def test_patches_that_are_ours_say_so(name: str, base: str) -> None:
    for patch in load_series(name, base).patches:
        head = patch.path.read_text().partition("\n---\n")[0]
        assert head.startswith("From: mem_notify testbed\n")
        words = " ".join(head.split())
        which = "mem_notify v3" if name == "v3" else f"patch {int(patch.name[:4])}/8 of mem_notify"
        assert f"Subject: [PATCH {name} {base}" in words
        assert which in words
        assert "description" in words
        assert "Signed-off-by" not in words


@pytest.mark.parametrize(("name", "base"), OURS)
def test_the_data_are_what_the_patches_say(name: str, base: str) -> None:
    lines = [
        line.value.strip()
        for patch in load_series(name, base).patches
        for file in PatchSet(patch.path.read_text())
        for hunk in file
        for line in hunk
        if line.is_added
    ]
    revision = promised(name)
    code = "\n".join(lines)
    assert f"#define MEM_NOTIFY_FREQ (HZ/{1000 // revision.rate.ms})" in lines
    assert f") * {revision.gate.factor};" in code or f")*{revision.gate.factor})" in code
    assert (revision.batch.order == "fifo") == (
        "poll_wait_exclusive(file, &mem_wait, wait);" in lines
    )
    assert (".fasync = mem_notify_fasync," in lines) == (revision.fasync is not None)
    assert ("DIV_ROUND_UP(" in code) == (revision.fasync == "ceil")
    if revision.small_zone_divisor:
        assert f"node_present_pages / {revision.small_zone_divisor})" in code
    if revision.batch.order == "fifo":
        assert f">> {revision.batch.shift}) + {revision.batch.plus}" in code
        most = str(revision.batch.at_most)
        assert f"#define MAX_WAKEUP_TASKS {most}" in lines or f"+ 1, {most});" in code
    if revision.guard and revision.guard.kind == "constant":
        assert f"#define PROC_WAKEUP_GUARD ({revision.guard.seconds:g}*HZ)" in lines
    elif revision.guard:
        most = f"{revision.guard.at_most_s:g}*HZ"
        assert re.search(rf"^#define MAX_(?:PROC_)?WAKEUP_GUARD \({re.escape(most)}\)$", code, re.M)
