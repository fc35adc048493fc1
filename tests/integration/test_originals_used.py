"""What a registered original is good for: bases, builds, campaigns and checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError
from memnotify.kernel import originals as ours
from memnotify.kernel.build import ensure_kernel
from memnotify.mailpatch import originals as on_file
from memnotify.model import Arch, KernelRequest
from memnotify.results.promises import check_run
from memnotify.series.apply import read_tree
from memnotify.series.registered import registered

from tests.support import archive_forms
from tests.support.archives import Clean
from tests.support.campaigns import TEXT, Bench, Guests
from tests.support.fakekernel import TREE, Lab
from tests.support.imports import made_up_tree
from tests.support.posted import (
    AUTHOR,
    Capture,
    Post,
    expected,
)

pytestmark = pytest.mark.usefixtures("own_data")


def test_the_nearest_base_that_can_be_had_and_fits(
    post: Post, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    readers: dict[str, Any] = {"2.6.24": read_tree(post.tree)}
    tried = []

    def files(base: Any, **_: Any) -> Any:
        tried.append(base.name)
        if base.name not in readers:
            raise InfrastructureError("unreachable", f"no source of {base.name}")
        return readers[base.name]

    monkeypatch.setattr(ours, "base_files", files)
    assert post.run("--mbox", post.whole(), tree=False) == 0
    assert tried == ["2.6.24-rc6-mm1", "2.6.24"]
    said = capsys.readouterr().out
    assert "not for 2.6.24-rc6-mm1: no source of 2.6.24-rc6-mm1" in said
    # A base that is available, but that the mails do not fit.
    (post.folder / "bare").mkdir()
    bare = made_up_tree(post.folder / "bare", [])
    readers["2.6.24-rc6-mm1"] = read_tree(bare)
    assert post.run("--mbox", post.whole(), tree=False) == 0
    assert "which is not in the tree" in capsys.readouterr().out
    readers["2.6.24"] = read_tree(bare)
    assert post.run("--mbox", post.whole(), tree=False) == 2
    assert "not in the tree" in capsys.readouterr().err.splitlines()[-1]
    readers.clear()
    assert post.run("--mbox", post.whole(), tree=False) == 3
    assert registered() == {"v4-original": ("2.6.24",)}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an original of one mail, for the small tree of fakekernel."""
    text = (TREE / "mm/vmstat.c").read_text().split("\n")
    lines = [
        *("One.", "", "diff --git a/mm/vmstat.c b/mm/vmstat.c"),
        *("--- a/mm/vmstat.c", "+++ b/mm/vmstat.c", "@@ -1,3 +1,4 @@"),
        *("+int as_posted;", *(f" {line}" for line in text[:3])),
    ]
    (tmp_path / "originals.toml").write_text(
        '[revision.v4]\nbases = ["6.1"]\n[[mail]]\nrevision = "v4"\npart = 1\nof = 1\n'
        'subject = "[PATCH] lamp"\nmessage_id = "1.ADA@example.org"\ndate = "then"\n'
        f'digest = "{expected(lines)}"\n'
    )
    monkeypatch.setattr(on_file, "FILE", tmp_path / "originals.toml")
    headers = {
        "From": AUTHOR,
        "Date": "now",
        "Subject": "[PATCH] lamp",
        "Message-Id": "<1.ADA@example.org>",
    }
    file = tmp_path / "mail"
    file.write_bytes(archive_forms.as_mail(Clean(headers, lines), lines))
    return file


def test_a_kernel_is_built_of_a_registered_original(
    small: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["series", "originals", "v4", str(small), "--tree", str(TREE)]) == 0
    lab = Lab(tmp_path / "lab").set_up()
    request = KernelRequest(base="6.1", series="v4-original", arch=Arch.X86_64, source=str(TREE))
    built = ensure_kernel(
        request, store=lab.store, log=lab.log, progress=lab.said.append, kernels=lab.kernels
    )
    assert "as_posted" in built.file("System.map").read_text()
    assert built.inputs["revision"] == "v4-original"


def test_a_campaign_names_an_original_and_check_holds_it_to_its_promises(
    small: Path, tmp_path: Path, capsys: Capture
) -> None:
    bench = Bench(tmp_path)
    bench.file.write_text(TEXT.replace('"none", "v4"', '"v4", "v4-original"'))
    assert main(["run", str(bench.file), "-o", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert "try.toml:7: matrix.series[1]: there is no series v4-original" in said
    assert "series originals v4` to make it from the mails" in said
    assert main(["series", "originals", "v4", str(small), "--tree", str(TREE)]) == 0
    cells = plan_cells(load_campaign(bench.file))
    assert {cell.request.series for cell in cells} == {"v4", "v4-original"}
    run = bench.run(Guests())
    checked = [row.to_json() for row in check_run(run)]
    rows = [row for row in checked if row["series"] == "v4-original"]
    promised = {row["invariant"] for row in checked if row["series"] == "v4"}
    assert {row["invariant"] for row in rows} == promised
    assert "guard" in promised
