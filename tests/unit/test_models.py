"""The models of a run's files: outcomes, axes, verdicts, manifests, rows of a plan."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from memnotify.axes import AXES, DEFAULTS, POINT, ordered, point_of
from memnotify.campaign.figures import FIGURES
from memnotify.campaign.plan import cell_inputs, plan_rows
from memnotify.campaign.row import PlanRow
from memnotify.campaign.schema import EXPECT_AXES, ExpectTable, MatrixTable
from memnotify.check.expression import Scalar
from memnotify.cli.main import main
from memnotify.model import BalloonMove, Ending, Finding, Outcome
from memnotify.results.comparison import COMPARED
from memnotify.results.folder import RunFolder, seal_results, to_json
from memnotify.results.manifest import Attempt, Manifest, Start
from memnotify.results.verdict import ALWAYS, Verdict

from tests.support.cells import make_cell
from tests.support.rows import row

OUTCOMES = [
    Outcome(detail="d"),
    *(Outcome(finding=finding, detail="d") for finding in Finding),
    Outcome(finding="of-next-year", detail="d"),
    Outcome(infrastructure="qemu-died", detail="d"),
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
def test_an_outcome_is_read_back(outcome: Outcome) -> None:
    found = Outcome.parse(str(outcome), detail="d")
    assert found == outcome
    assert type(found.finding) is type(outcome.finding)
    assert found.ok is (str(outcome) == "ok")
    assert str(outcome).startswith(found.ending)


def test_the_endings_of_outcomes() -> None:
    endings = [outcome.ending for outcome in OUTCOMES]
    assert endings[0] is Ending.OK
    assert endings[-1] is Ending.INFRASTRUCTURE
    assert set(endings[1:-1]) == {Ending.FINDING}


@pytest.mark.parametrize(
    "text", ["", "OK", "ok:", "okay", "finding", "finding:", "infrastructure:", "panic"]
)
def test_what_is_no_outcome(text: str) -> None:
    with pytest.raises(ValueError, match="is not an outcome"):
        Outcome.parse(text)


def test_an_axis_finds_its_value_in_a_cell_and_in_what_was_written_of_it() -> None:
    cell = dataclasses.replace(make_cell("pc"), repeat=3, seed=5, clients=7)
    inputs = json.loads(json.dumps(cell_inputs(cell)))
    found = {name: axis.read(inputs, cell_id="i") for name, axis in AXES.items()}
    assert found == {name: axis.of(cell) for name, axis in AXES.items()}
    assert (found["machine"], found["repeat"], found["seed"], found["clients"]) == ("pc", 3, 5, 7)
    assert list(point_of(cell)) == list(POINT) == list(AXES)[: len(POINT)]


@pytest.mark.parametrize("inputs", [{}, {"request": {}}, {"request": []}, {"request": "series"}])
def test_inputs_that_do_not_say_where_a_cell_stands(inputs: dict[str, Any]) -> None:
    with pytest.raises(KeyError, match=r"request|series"):
        AXES["series"].read(inputs, cell_id="i")


@pytest.mark.parametrize(
    ("axis", "inputs", "words"),
    [
        ("series", {"request": {"series": 4}}, "series of i is 4, not a string"),
        ("clients", {"clients": "4"}, "clients of i is '4', not a whole number"),
        ("clients", {"clients": True}, "clients of i is True, not a whole number"),
    ],
)
def test_a_value_that_no_axis_has(axis: str, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AXES[axis].read(inputs, cell_id="i")


def test_all_lists_of_axes_come_from_one() -> None:
    assert [name for name in FIGURES if name in AXES] == [
        *(name for name in POINT if AXES[name].kind is str),
        *(name for name in POINT if AXES[name].kind is int),
    ]
    assert {FIGURES[name] for name in POINT if AXES[name].kind is int} == {Scalar.NUMBER}
    assert set(COMPARED) == AXES.keys() - {"repeat"}
    assert set(POINT) - set(DEFAULTS) <= set(ALWAYS)
    assert list(DEFAULTS) == ["setting"]
    assert set(EXPECT_AXES) == set(ExpectTable.model_fields) - {"says", "what", "some"}
    assert set(EXPECT_AXES) - {"arch"} == MatrixTable.model_fields.keys() & set(POINT) - {"repeat"}
    assert ordered("clients", among=("a", "clients", "b")) == ("clients", "a", "b")
    with pytest.raises(ValueError, match="no such axis: clock"):
        ordered("clock")


def test_a_verdict_is_read_back() -> None:
    verdict = Verdict(
        id="i",
        name="n",
        point=point_of(make_cell("pc")),
        outcome=Outcome(finding=Finding.PANIC, detail="why"),
        repeatability="exact",
        lost_records=1,
        torn_records=2,
        guest_seconds=3.5,
        wall_seconds=4.5,
        figures={"wakeups": 6, "batches": []},
    )
    written = json.loads(to_json(verdict.to_json()))
    found = Verdict.from_json(written)
    assert found == verdict
    assert found.to_json() == written
    assert (written["outcome"], written["detail"]) == ("finding:panic", "why")


def test_a_verdict_of_another_version_is_shown_as_it_is() -> None:
    written = dict(reversed(row("i", of_next_year={"a": [1]}, outcome="finding:new").items()))
    found = Verdict.from_json(written)
    assert to_json(found.to_json()) == to_json(written)
    assert found.figures == {"of_next_year": {"a": [1]}}
    assert found.torn_records is None


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 10**24, True, None])
def test_a_number_of_a_verdict_can_be_counted_with(value: object) -> None:
    with pytest.raises(ValueError, match=f"wall_seconds is {value}, not a number"):
        Verdict.from_json(row("i", wall_seconds=value))


def test_a_manifest_is_read_back() -> None:
    outcome = Outcome(infrastructure="qemu-died", detail="why")
    manifest = Manifest(
        id="i",
        name="n",
        inputs={"seed": 1},
        digests={"kernel": "k"},
        kernel={"facts": {}},
        command=("qemu", "-S"),
        outcome=outcome,
        repeatability="exact",
        start=Start(origin="template", template="t", seconds=0.5),
        wall_seconds=1.5,
        balloon=(BalloonMove(step=1, target_kib=2, requested_ns=3, query_seconds=0.5),),
        attempts=(Attempt(outcome=outcome, wall_seconds=2.5),),
    )
    written = json.loads(to_json(manifest.to_json()))
    found = Manifest.from_json({**written, "files": {"a": "b"}, "of_next_year": 1})
    assert found == dataclasses.replace(manifest, files={"a": "b"})
    assert found.to_json() == {**written, "files": {"a": "b"}, "of_next_year": 1}
    assert written["attempts"] == [
        {"outcome": "infrastructure:qemu-died", "reason": "why", "wall_seconds": 2.5}
    ]
    assert written["start"] == {"from": "template", "template": "t", "seconds": 0.5}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("outcome", "bad", "'bad' is not an outcome"),
        ("outcome", 3, "not strings"),
        ("balloon", [{"step": "x"}], r"balloon\.0"),
        ("attempts", [{"outcome": "bad"}], r"attempts\.0"),
        ("versions", [], "versions"),
        ("start", {"from": 1}, r"start\.from"),
        ("files", {"a": 1}, r"files\.a"),
    ],
)
def test_what_is_no_manifest(key: str, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Manifest.from_json({"outcome": "ok", key: value})


def test_a_plan_is_read_back() -> None:
    cell = dataclasses.replace(make_cell("pc"), kernel="k", image="i", hardware="h")
    (planned,) = plan_rows([cell])
    written = json.loads(to_json(planned.to_json()))
    assert to_json(PlanRow.from_json(written).to_json()) == to_json(planned.to_json())
    assert PlanRow.from_json(written).value("series") == cell.request.series
    assert PlanRow.from_json({"id": "i", "name": "n", "source": 3}) == PlanRow(id="i", name="n")
    assert PlanRow.from_json({"id": "i", "name": "n"}) == PlanRow(id="i", name="n")
    tree = PlanRow(id="i", name="n", source="/tree")
    assert tree.to_json() == {"id": "i", "name": "n", "source": "/tree", "inputs": {}}
    assert PlanRow.from_json(tree.to_json()) == tree
    with pytest.raises(ValueError, match=r"^series of i is 3, not a string$"):
        PlanRow(id="i", name="n", inputs={"request": {"series": 3}}).value("series")
    other = {"name": "n", "of_next_year": 1, "id": "i"}
    assert to_json(PlanRow.from_json(other).to_json()) == to_json(other)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x", "^not the plan of a run$"),
        ({"id": "i"}, "not the plan of a run"),
        ({"id": "../i", "name": "n"}, r"'\.\./i' is not the id"),
        ({"id": 5, "name": "n"}, "5 is not the id"),
        ({"id": "i", "name": 1}, "1 is not the name"),
        ({"id": "i", "name": "n", "inputs": []}, "not an object"),
    ],
)
def test_what_is_no_row_of_a_plan(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PlanRow.from_json(value)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"outcome": "bad"}, "outcome is 'bad', not an outcome"),
        ({"outcome": 3}, "outcome is 3, not an outcome"),
        ({"detail": None}, "detail is None, not a string"),
        ({"series": 4}, "series is 4, not a string"),
        ({"clients": "many"}, "clients is 'many', not a whole number"),
        ({"repeat": True}, "repeat is True, not a whole number"),
        ({"lost_records": -1}, "lost_records is -1, not a whole number"),
        ({"wall_seconds": "1"}, "wall_seconds is '1', not a number"),
        ({"guest_seconds": 10**400}, f"guest_seconds is 1{'0' * 39} … {'0' * 40}, not a number"),
        ({"wakeups": "x"}, "wakeups is 'x', not a number"),
        ({"batches": 3}, "batches is 3, not a list"),
        ({"batches": [3]}, "batches[0] is 3, not an object"),
        ({"batches": [{"at_s": 1}]}, "batches[0] has no wakeups"),
        ({"status": {"stuck_s": []}}, "status.stuck_s is [], not a number"),
        ({"gates": {"DMA": "x"}}, "gates.DMA is 'x', not a number"),
        ({"torn_records": "x"}, "torn_records is 'x', not a number"),
    ],
)
def test_a_verdict_that_somebody_sealed_anew_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], why: str
) -> None:
    run = RunFolder(tmp_path)
    run.make()
    run.begin(b'name = "x"', [PlanRow(id="i", name="n")])
    run.cell("i").mkdir()
    file = run.cell("i") / "verdict.json"
    file.write_text(json.dumps(row("i", **changes)))
    seal_results(file.parent, {"id": "i", "outcome": "ok"})
    for words in (["show"], ["show", "i"], ["check"], ["report"], ["show", "--json"]):
        command, *more = words
        assert main([command, str(tmp_path), *more]) == 2
        said = capsys.readouterr()
        expected = (
            f"memnotify: {file}: not a verdict in the format of this version of memnotify: {why}"
        )
        assert said.err == f"{expected} (run the cell again)\n"
        assert said.out == ""
