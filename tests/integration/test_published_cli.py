"""`memnotify published` on made-up runs: what agrees, what does not, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.places import CAMPAIGNS
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.results.published import load_published

from tests.support.published_run import CAMPAIGN, FIGURES, log, published_run, put


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    return published_run(tmp_path, monkeypatch)


def test_what_agrees_and_what_does_not(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["published", str(run.path), "--json"]) == 1
    first, second, _ = json.loads(capsys.readouterr().out)
    assert (first["published"], first["expected"], first["reproduced"]) == (1000, 10, 9)
    assert (first["ratio"], first["agrees"], first["cells"]) == (0.9, True, 1)
    assert (second["reproduced"], second["ratio"], second["agrees"]) == (1, None, False)
    assert (first["bases"], first["arches"]) == (["6.1"], ["x86_64"])


def test_the_table_for_people(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    put(run, "v4", log(13))
    assert main(["published", str(run.path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "somebody, 2008: a machine" in lines[0]
    assert [line.split()[-5:] for line in lines if "1000 MB" in line] == [
        ["MB", "10", "13", "1.3", "no"]
    ]
    assert lines[1] == "reproduced on 6.1 x86_64"
    notes = next(number for number, line in enumerate(lines) if "where it was" in line)
    assert lines[notes + 1].endswith(": it is woken but once")
    assert lines[-1].split() == ["free", "memory", "free", "v4", "2.33", "MiB", "39%", "100%"]


def test_series(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ours has 5 MiB free throughout; it is woken at 1 s, and the samples end at 3 s."""
    file = tmp_path / "out.csv"
    assert main(["published", str(run.path), "--csv", str(file), "--json"]) == 1
    *_, series = json.loads(capsys.readouterr().out)
    assert series == {
        "kind": "series",
        "file": "old.csv",
        "says": "free memory",
        "column": "free",
        "cell": "v4",
        "label": "v4",
        "unit": "MiB",
        "distance": (3 + 1 + 3) / 3,
        "of_range": (3 + 1 + 3) / 3 / 6,
        "compared": 1.0,
    }
    rows = file.read_text().splitlines()
    assert len(rows) == 1 + 3 + 3
    assert rows[1] == "old.csv,free,MiB,published,published,-1,,8"
    assert rows[-1] == "old.csv,free,MiB,v4,v4,2,,5"


@pytest.mark.parametrize(
    ("suffix", "starts"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF-")]
)
def test_a_picture(run: RunFolder, tmp_path: Path, suffix: str, starts: bytes) -> None:
    file = tmp_path / f"out{suffix}"
    assert main(["published", str(run.path), "--plot", str(file)]) == 1
    drawn = file.read_bytes()
    assert drawn.startswith(starts)
    if suffix == ".svg":
        text = drawn.decode()
        # Its text can be read and searched: it consists of words, not shapes.
        for words in ("somebody, 2008", "free, MiB", "distance 2.33 MiB, 39%", "published</text>"):
            assert words in text
        assert 'stroke="#000000"' in text and 'stroke="#0072b2"' in text


def test_plot_draws_what_was_published(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.svg"
    assert main(["plot", str(run.path), "-o", str(file)]) == 0
    said = "Reproduced free (v4) is 39% of the published range away"
    assert capsys.readouterr().err == f"{said}\n"
    assert "somebody, 2008" in file.read_text()
    assert main(["plot", str(run.path), "--kind", "published", "v5", "-o", str(file)]) == 2
    assert "no published series matches a cell" in capsys.readouterr().err


def test_a_picture_of_another_kind(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["published", str(run.path), "--plot", str(tmp_path / "out.gif")]) == 2
    assert "the name of a plot must end in .svg or .png or .pdf" in capsys.readouterr().err
    assert not (tmp_path / "out.gif").exists()


def test_a_picture_of_nothing(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.cell("v4").rename(run.path / "gone")
    assert main(["published", str(run.path), "--csv", str(tmp_path / "out.csv")]) == 2
    assert "no published series matches a cell of this run" in capsys.readouterr().err


def test_figures_of_a_part_of_a_run(run: RunFolder, tmp_path: Path) -> None:
    """v5 is woken once, at 1 s; a step 1 that begins at 2 s ends the first part."""
    whole = log(30)
    step = whole.records[:1].copy()
    step["kind"], step["commit"], step["time_ns"] = Kind.STEP, 99, 2 * 10**9
    step["value"][0, 0] = 1
    put(run, "v5", RecordLog(np.concatenate([whole.records, step]), lost=0, torn=0))
    table = FIGURES.replace("at_least = 2", "at_least = 1\nat_most = 1")
    file = tmp_path / "published" / "old.toml"
    for part, status in (("until_step = 1", 0), ("from_step = 1", 1), ("until_step = 7", 0)):
        file.write_text(table.replace("why_not", f"{part}\nwhy_not"))
        assert main(["published", str(run.path)]) == status, part


def test_what_agrees_needs_no_reason(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    twice = log(9)
    more = twice.records[1:2].copy()
    more["commit"], more["time_ns"] = 9, 9 * 10**9
    records = np.concatenate([twice.records, more])
    put(run, "v5", RecordLog(records, lost=0, torn=0))
    assert main(["published", str(run.path)]) == 0
    text = capsys.readouterr().out
    assert "where it was" in text
    assert "but once" not in text


def test_a_refuted_alternative_is_no_failure(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "published" / "old.toml"
    file.write_text(FIGURES.replace("why_not", "alternative = true\nwhy_not"))
    assert main(["published", str(run.path), "--json"]) == 0
    _, second, _ = json.loads(capsys.readouterr().out)
    assert (second["agrees"], second["alternative"]) == (False, True)
    assert main(["published", str(run.path)]) == 0
    text = capsys.readouterr().out
    (line,) = [line for line in text.splitlines() if "again and again" in line]
    assert line.split()[-1] == "refuted"
    assert "it is woken but once" in text
    run.cell("v5").rename(run.path / "gone")
    assert main(["published", str(run.path)]) == 0
    # Anything that is not an alternative must still agree.
    put(run, "v4", log(13))
    assert main(["published", str(run.path)]) == 1


def test_a_file_that_was_written_is_named(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, picture = tmp_path / "out.csv", tmp_path / "out.svg"
    main(["published", str(run.path), "--json", "--csv", str(table), "--plot", str(picture)])
    told = capsys.readouterr()
    assert told.err.splitlines() == [f"wrote {table}", f"wrote {picture}"]
    json.loads(told.out)


def test_what_is_measured_in_mib_is_printed_so() -> None:
    for path in CAMPAIGNS.glob("published/*.toml"):
        for figure in load_published(path.stem).figure:
            if figure.figure == "told_at_mib":
                assert figure.unit == "MiB", path


def test_all_agree(run: RunFolder, tmp_path: Path) -> None:
    only = FIGURES.split('\n[[figure]]\nfigure = "wakeups"')[0]
    (tmp_path / "published" / "old.toml").write_text(only)
    assert main(["published", str(run.path)]) == 0


@pytest.mark.parametrize("damaged", [True, False])
def test_a_cell_that_has_not_run(
    run: RunFolder, capsys: pytest.CaptureFixture[str], damaged: bool
) -> None:
    if damaged:
        write_records(log(13), run.cell("v4") / RECORDS)
    else:
        run.cell("v4").rename(run.path / "gone")
    assert main(["published", str(run.path), "--json"]) == 1
    first, *_ = json.loads(capsys.readouterr().out)
    assert (first["reproduced"], first["agrees"], first["cells"]) == (None, None, 0)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"wakeups"', '"wakups"', r"old\.toml:15: .*no figure 'wakups'.*wakeups"),
        ('series = "v5"', 'serie = "v5"', r"old\.toml:15: .*cells cannot be selected by serie"),
        ("at_least = 2", "", r"old\.toml:15: .*at_least or at_most"),
        ("at_least = 2", "at_lest = 2", r"old\.toml:19: .*unknown key.*at_least"),
    ],
)
def test_wrong_data_is_refused(
    run: RunFolder, tmp_path: Path, old: str, new: str, words: str
) -> None:
    (tmp_path / "published" / "old.toml").write_text(FIGURES.replace(old, new))
    with pytest.raises(InputError, match=words):
        load_published("old")


def test_a_campaign_that_repeats_nothing(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    other = CAMPAIGN.replace('"old"', '"new"')
    (run.path / "campaign.toml").write_text(other)
    assert main(["published", str(run.path)]) == 2
    assert "does not reproduce a published experiment (of old)" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(CAMPAIGNS.glob("published/*.toml")), ids=lambda p: p.stem)
def test_ours_belong_to_a_campaign(path: Path) -> None:
    assert load_published(path.stem).figure
    assert (CAMPAIGNS / path.name).is_file()
