"""The promises of the revisions: the data of each, the loader, and the patches beside it."""

from __future__ import annotations

import datetime
import os
import re
import shutil
from pathlib import Path

import pytest
from memnotify import places
from memnotify.errors import InputError
from memnotify.places import PATCHES
from memnotify.series.own import Found, adopt
from memnotify.series.quilt import MEM_NOTIFY, load_series, revisions
from memnotify.series.revision import (
    BatchTable,
    ConstantGuard,
    GateTable,
    Lineage,
    RateTable,
    Revision,
    StatusTable,
    load_lineage,
    load_revision,
)
from unidiff.patch import PatchSet

from tests.support.good_campaign import register

EARLY = ("v1", "v2", "v2-wakeup", "v3", "v3-wake-all", "v3-throttled", "v3-faster")
OURS = [(name, base) for name in ("v3", "v5", "v6") for base in revisions()[name]]
LATER = ("v4", "v4-tenth", "v4-long-uptime", "v5", "v6", "v6-ageing")
ALL = [(name, base) for name in (*EARLY, *LATER) for base in revisions()[name]]
V6 = (MEM_NOTIFY / "v6/revision.toml").read_text()
BATCH = V6[V6.index("batch =") :].splitlines()[0]


def promised(name: str) -> Revision:
    found = load_revision(name)
    assert found is not None
    return found


WATCHERS = (0, 1, 7, 100)


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (BatchTable(order="none"), "0"),
        (BatchTable(order="all"), "200"),
        (BatchTable(order="fifo", shift=0), "200/1"),
        (BatchTable(order="fifo", shift=4), "200/16"),
        (BatchTable(order="fifo", divisor=3), "200/3"),
        (BatchTable(order="fifo", divisor=3, plus=1), "200/3 + 1"),
        (BatchTable(order="fifo", shift=4, at_least=100), "max(200/16, 100)"),
        (BatchTable(order="fifo", divisor=3, at_most=30), "min(200/3, 30)"),
        (
            BatchTable(order="fifo", divisor=3, plus=1, at_least=2, at_most=30),
            "min(max(200/3 + 1, 2), 30)",
        ),
    ],
)
def test_how_a_kernel_comes_to_the_number_of_a_batch(batch: BatchTable, text: str) -> None:
    assert batch.formula(200) == text


@pytest.mark.parametrize(
    ("batch", "limits"),
    [
        (BatchTable(order="none"), [0, 0, 0, 0]),
        (BatchTable(order="all"), [0, 1, 7, 100]),
        (BatchTable(order="fifo", shift=0), [0, 1, 7, 100]),
        (BatchTable(order="fifo", shift=2), [0, 0, 1, 25]),
        (BatchTable(order="fifo", divisor=3), [0, 0, 2, 33]),
        (BatchTable(order="fifo", divisor=3, plus=1), [1, 1, 3, 34]),
        (BatchTable(order="fifo", divisor=3, at_least=2, at_most=30), [2, 2, 2, 30]),
    ],
)
def test_how_many_watchers_a_batch_has(batch: BatchTable, limits: list[int]) -> None:
    found = [batch.limit(watchers) for watchers in WATCHERS]
    assert found == limits
    assert all(isinstance(limit, int) for limit in found)


def user_revision(root: Path, text: str | None, name: str = "mine") -> Path:
    """Make a revision for 6.1 with this revision.toml; return the file's path."""
    folder = root / name
    (folder / "6.1").mkdir(parents=True)
    (folder / "6.1/series").write_text("")
    if text is not None:
        (folder / "revision.toml").write_text(text)
    return folder / "revision.toml"


@pytest.mark.parametrize(
    ("name", "limits"),
    [  # with 1, 15, 16, 50, 100, 200, 1600 and 3200 watchers, computed by hand
        ("v3", [1, 15, 16, 50, 100, 200, 1600, 3200]),
        ("v4", [100, 100, 100, 100, 100, 100, 100, 200]),
        ("v4-tenth", [100, 100, 100, 100, 100, 100, 160, 320]),
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
        ("v5", 32, 32, (3, 32)),  # 0 pollers: everyone who polls
        ("v6", 15, 1, (1, 1)),
        ("v6", 128, 32, (3, 7)),  # 2.25 and 6.75
        ("v6", 200, 0, (0, 13)),
        ("v6", 32, 32, (3, 32)),
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
    with pytest.raises(InputError, match="there is no series yours"):
        load_revision("yours", root=tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('of = "zone"', 'of = "zone", highmem = true', 'gate: of = "zone" has no highmem'),
        ('kind = "zone"', 'kind = "swapped"', 'status: kind = "swapped" needs ms'),
        ('kind = "zone"', 'kind = "zone", ms = 2', 'status: kind = "zone" has no ms'),
        ('pollin = "status"', 'pollin = "sum"', "pollin: must be 'status', 'gate', .*not 'sum'"),
        (
            "2008-02-10",
            "2008-02-10T10:00:00",
            "date: must be a date, .*, not 2008-02-10T10",
        ),
        ('"KOSAKI Motohiro"', '" "', "lineage.author: ' ' is not one line of text"),
        (
            "small_zone_divisor",
            "small_zone_diviser",
            "unknown key .did you mean small_zone_divisor",
        ),
        ("seconds = 0.2, ", "", "seconds: this key is missing"),
        ('"fifo", shift = 4', '"all", shift = 4', 'order = "all" has no at_most, plus, shift'),
        ('"fifo", shift = 4', '"fifo"', 'order = "fifo" needs either shift or divisor'),
        ("shift = 4", "shift = 4, divisor = 16", 'order = "fifo" needs either shift or divisor'),
        ("shift = 4", "divisor = 0", "batch.divisor: .*not 0"),
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
    assert "\n" not in str(caught.value)
    changed = next(n for n, line in enumerate(text.splitlines(), 1) if line not in V6.splitlines())
    assert str(caught.value).startswith(f"{path}:{changed}: ")
    assert re.search(says, str(caught.value))


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        (
            'kind = "zone"',
            'kind = "taken"',
            "small_zone_divisor",
            'requires status = { kind = "zone" }',
        ),
        (
            'pollin = "status"',
            'pollin = "gate"',
            "status",
            'pollin = "gate" does not look at the status',
        ),
        (
            V6[V6.index("batch =") :].splitlines()[0],
            'batch = { order = "all" }',
            "fasync",
            "requires",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_where_it_stands(
    tmp_path: Path, old: str, new: str, key: str, says: str
) -> None:
    text = V6.replace(old, new)
    path = user_revision(tmp_path, text)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith(f"{key} ="))
    with pytest.raises(InputError, match=re.escape(f"{path}:{line}: {key}: {says}")):
        load_revision("mine", root=tmp_path)


# Promises of one revision based on those of another


def test_a_revision_inherits_what_it_does_not_say(tmp_path: Path) -> None:
    """The base is one of ours, which is in another folder."""
    user_revision(tmp_path, 'based_on = "v6"\nguard = { kind = "constant", seconds = 3.0 }')
    mine, v6 = load_revision("mine", root=tmp_path), promised("v6")
    assert mine is not None
    given = {"guard": ConstantGuard(kind="constant", seconds=3.0), "based_on": "v6"}
    assert mine == v6.model_copy(update={**given, "lineage": None})
    assert promised("v6-ageing").guard == v6.guard
    assert promised("v6-ageing").lineage != v6.lineage


def test_a_revision_may_leave_promises_out(tmp_path: Path) -> None:
    user_revision(tmp_path, 'based_on = "v6"\nwithout = ["guard", "fasync"]')
    mine = load_revision("mine", root=tmp_path)
    assert mine is not None
    assert (mine.guard, mine.fasync) == (None, None)
    assert mine.batch == promised("v6").batch


def test_a_base_may_be_based_on_another_and_lies_beside_it_first(tmp_path: Path) -> None:
    user_revision(tmp_path, 'based_on = "v6-ageing"')
    (tmp_path / "v6").mkdir()
    other = V6.replace("at_most = 100", "at_most = 7")
    (tmp_path / "v6/revision.toml").write_text(other)
    mine = load_revision("mine", root=tmp_path)
    assert mine is not None
    assert mine.batch.at_most == 7
    assert mine.lineage is None


def test_a_revision_may_be_in_a_folder_beside_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours may be a base of it, and it of others; a name in two places is refused."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv(places.PATH, os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")]))
    for place, name, text in (
        ("a", "mine", 'based_on = "v6"\nguard = { kind = "constant", seconds = 3.0 }\n'),
        ("b", "yours", 'based_on = "mine"\nwithout = ["fasync"]\n'),
        ("b", "theirs", 'based_on = "mime"\n'),
    ):
        user_revision(tmp_path / place / "patches/mem_notify", text, name)
    assert promised("mine").guard_s(200) == 3.0
    assert (promised("yours").guard_s(200), promised("yours").fasync) == (3.0, None)
    with pytest.raises(InputError) as caught:
        load_revision("theirs")
    assert caught.value.hint == "did you mean mine?"
    file = "patches/mem_notify/mine/revision.toml"
    user_revision(tmp_path / "b/patches/mem_notify", 'based_on = "v4"\n')
    with pytest.raises(InputError) as caught:
        load_revision("mine")
    assert caught.value.message == (
        f"{tmp_path}/b/{file}: revision.toml of mine is also in {(tmp_path / 'a' / file).parent}"
    )


def test_promises_of_originals_and_of_copies_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    register(tmp_path, "v4-original", "6.1")
    assert promised("v4-original") == promised("v4").model_copy(
        update={"lineage": promised("v4-original").lineage}
    )
    mine = tmp_path / "mine"
    shutil.copytree(MEM_NOTIFY / "v4/6.1", mine)
    name = adopt(Found(label="mine", folders={"any": mine}, origin=mine, word="./mine"))
    assert load_revision(name) is None
    (mine / "revision.toml").write_text('based_on = "v5"\n')
    assert promised(name).batch == promised("v5").batch
    # Another folder of series has no copies, and no originals.
    (tmp_path / "none").mkdir()
    for other in (name, "v4-original"):
        with pytest.raises(InputError, match=f"there is no series {other}"):
            load_revision(other, root=tmp_path / "none")
    user_revision(tmp_path / "none", 'based_on = "v4"\n', "v4")
    user_revision(tmp_path / "none", None, "v4-original")
    assert load_revision("v4-original", root=tmp_path / "none") is None


def test_the_example_of_the_readme(tmp_path: Path) -> None:
    text = (PATCHES / "README.md").read_text()
    user_revision(tmp_path, text[text.index('based_on = "v6"\nguard') :].partition("```")[0])
    mine = load_revision("mine", root=tmp_path)
    assert mine is not None
    assert (mine.guard_s(200), mine.fasync, mine.batch) == (3.0, None, promised("v6").batch)


def test_the_readme_has_every_key() -> None:
    text = (PATCHES / "README.md").read_text()
    for model in (Revision, Lineage, GateTable, RateTable, StatusTable, BatchTable):
        for key in model.model_fields:
            assert re.search(rf"[`{{ \[]{key}\b", text), key


def test_a_misspelt_base_or_promise_is_told_what_was_meant(tmp_path: Path) -> None:
    user_revision(tmp_path, 'based_on = "miner"')
    with pytest.raises(InputError) as caught:
        load_revision("mine", root=tmp_path)
    assert caught.value.hint == "did you mean mine?"
    (tmp_path / "mine/revision.toml").write_text('based_on = "v6"\nwithout = ["rote"]')
    with pytest.raises(InputError) as caught:
        load_revision("mine", root=tmp_path)
    assert caught.value.hint == "did you mean rate?"


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ('based_on = "v7"', "mine", r"1: based_on: there is no revision.toml of a series v7"),
        ('\nbased_on = "mine"', "mine", r"2: based_on: mine is itself based on mine"),
        ('\nbased_on = "yours"', "yours", r"1: based_on: mine is itself based on yours"),
        ('based_on = "none"', "mine", r"1: based_on: there is no revision.toml of a series none"),
        ('without = ["rate"]', "mine", r"1: without: only allowed with based_on"),
        ('based_on = "v6"\nwithout = [\n"rate",\n"rote"]', "mine", r"4: without\[1\]: v6 does not"),
        ('based_on = "v6"\nwithout = ["gate"]', "mine", r"1: gate: this key is missing"),
        ('based_on = "v6"\nwithout = "gate"', "mine", r"2: without: must be an array"),
        ("based_on = 6", "mine", r"1: based_on: must be a string in quotes"),
        ('based_on = "v6"\nlineage = 3', "mine", r"2: lineage: must be a table"),
        ('based_on = "bad"', "bad", r"2: rate.ms: must be a whole number"),
        ('based_on = "v6"\n\nguards = 1', "mine", r"3: guards: unknown key .did you mean guard"),
    ],
)
def test_what_is_wrong_in_a_base_or_with_it_is_said_of_its_file(
    tmp_path: Path, text: str, where: str, says: str
) -> None:
    user_revision(tmp_path, text)
    for name, file in (
        ("yours", 'based_on = "mine"'),
        ("bad", 'based_on = "v4"\nrate = { ms = "200", of = "cpu" }'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "revision.toml").write_text(file)
    with pytest.raises(InputError) as caught:
        load_revision("mine", root=tmp_path)
    assert re.match(rf"{re.escape(str(tmp_path / where))}/revision.toml:{says}", str(caught.value))


def test_a_file_with_nothing_but_lineage_promises_nothing(tmp_path: Path) -> None:
    text = V6[V6.index("[lineage]") :]
    user_revision(tmp_path, text)
    assert load_revision("mine", root=tmp_path) is None
    lineage = load_lineage("mine", root=tmp_path)
    assert lineage is not None
    assert lineage == promised("v6").lineage
    assert lineage.date == datetime.date(2008, 2, 10)
    assert lineage.mails["3/8"].startswith("2f11576a0802090723k")


@pytest.mark.parametrize(("name", "base"), OURS)
def test_patches_that_are_ours_say_so(name: str, base: str) -> None:
    patches = load_series(name, base).patches
    assert patches
    for patch in patches:
        head = patch.path.read_text().partition("\n---\n")[0]
        assert head.startswith("From: mem_notify testbed <>\n")
        words = " ".join(head.split())
        which = "mem_notify v3" if name == "v3" else f"patch {int(patch.name[:4])}/8 of mem_notify"
        assert f"Subject: [PATCH {name} {base}" in words
        assert which in words
        assert "description" in words
        assert "Signed-off-by" not in words


@pytest.mark.parametrize(("name", "base"), ALL)
def test_the_data_are_what_the_patches_say(name: str, base: str) -> None:
    lines: list[str] = []
    for patch in load_series(name, base).patches:
        for line in (x for file in PatchSet(patch.path.read_text()) for h in file for x in h):
            if line.is_added:
                lines.append(line.value.strip())
            elif line.is_removed and line.value.strip() in lines:
                lines.remove(line.value.strip())
    revision, code = promised(name), "\n".join(lines)

    def has(pattern: str) -> bool:
        return re.search(pattern, code) is not None

    # The members of `struct memdev` are in another order in 6.12.
    device, mode = Path(revision.device.path).name, f"0{revision.device.mode:o}"
    assert has(rf'"{device}", (&\w+, 0, )?{mode}\b') or has(rf'"{device}",\s+S_IRUGO')
    gate = revision.gate
    assert has(rf"\) ?\* ?{gate.factor}\b") == (gate.factor > 1)
    assert has("is_highmem") == (gate.of == "sum" and not gate.highmem)
    assert has("return free <= low") == (gate.of == "sum" and gate.mark == "low")
    assert has(r"return free < ") == gate.strict
    if rate := revision.rate:
        assert has(rf"#define MEM_NOTIFY_FREQ\s+\(HZ/{1000 // rate.ms}\)")
        assert has(r"time_after\(") == rate.strict
        assert has("DEFINE_PER_CPU") == (rate.of == "cpu")
    else:
        assert not has("FREQ")
    assert (revision.batch.order == "fifo") == has(r"poll_wait_exclusive\(file")
    assert (revision.batch.order == "all") == has(r"\bwake_up\(")
    assert has(r"\.fasync\b") == (revision.fasync is not None)
    assert has(r"DIV_ROUND_UP\(") == (revision.fasync == "ceil")
    assert has(r"\.read\b") == (revision.status.kind == "unread")
    assert has("PSWPOUT") == (revision.status.kind == "swapped")
    if revision.small_zone_divisor:
        assert f"node_present_pages / {revision.small_zone_divisor})" in code
    batch = revision.batch
    if batch.order == "fifo":
        part = rf"/ {batch.divisor}" if batch.divisor else rf">> ?{batch.shift}"
        assert has(rf"{part}\) \+ {batch.plus}\b") == (batch.plus > 0)
        assert has(rf"{part}\b")
        assert has(rf"\b{batch.at_most or batch.at_least}\b")
    if revision.guard:
        longest = revision.guard_s(10**6)
        assert has(rf"#define \w*PROC_WAKEUP_GUARD\s+\({longest:g}\*HZ\)")
