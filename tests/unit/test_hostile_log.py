"""A guest that writes anything into its log: all readers get through it, and soon."""

from __future__ import annotations

import dataclasses
import io
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from memnotify.campaign.plan import cell_inputs
from memnotify.check.invariants import check
from memnotify.check.reaction import FIELDS
from memnotify.guest.console import KernelConsole
from memnotify.guest.outcome import judge
from memnotify.guest.rendezvous import End
from memnotify.model import CellResult
from memnotify.records import layout
from memnotify.records.decode import decode
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_columns, write_records
from memnotify.results.folder import seal_results
from memnotify.results.manifest import Manifest
from memnotify.results.promises import promises_of
from memnotify.results.reaction import Reacted, note_reaction, reacted_in
from memnotify.results.summary import Job, make_verdict
from memnotify.results.timeline import timeline
from memnotify.series.revision import load_revision
from memnotify.store import Artifact

from tests.support.cells import make_cell

RECORDS = 400
SECONDS = 20.0
EDGES = np.array([0, 1, 2, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)


def scribbled(seed: int) -> RecordLog:
    """Return a log of valid records in which everything else is noise, or an edge of its type."""
    random = np.random.default_rng(seed)
    region = bytearray(layout.region_size(RECORDS))
    layout.init_header(region, RECORDS)
    header = np.frombuffer(region, layout.HEADER, count=1)
    header["next"], header["lost"] = RECORDS, 2**32 - 1
    records = np.frombuffer(region, layout.RECORD, count=RECORDS, offset=layout.RECORDS_OFFSET)
    noise = random.integers(0, 2**64, (RECORDS, 8), np.uint64)
    edges = random.choice(EDGES, (RECORDS, 8))
    words = np.where(random.random((RECORDS, 8)) < 0.5, edges, noise)
    records[:] = np.ascontiguousarray(words).view(layout.RECORD)[:, 0]
    if seed % 2:  # plausible times, so that checks go beyond the first test
        records["time_ns"] = np.sort(random.integers(0, 10**11, RECORDS, np.uint64))
        records["client"] = random.integers(0, 5, RECORDS)
    records["commit"] = np.arange(1, RECORDS + 1)
    records["kind"] = random.integers(min(Kind), max(Kind) + 1, RECORDS)
    return decode(region, RECORDS)


def job() -> Job:
    artifact = Artifact("kernel", "0" * 64, Path("none"), {}, {})
    return Job(id="0" * 16, name="hostile", cell=make_cell(), kernel=artifact, image=artifact)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_it_says_there_is_a_verdict(tmp_path: Path, seed: int) -> None:
    started = time.process_time()
    log, file = scribbled(seed), tmp_path / "records.parquet"
    write_records(log, file)
    console = KernelConsole(io.BytesIO())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # overflows also come from nonsense
        outcome = judge(End(), log=log, console=console, disagreements=())
        result = CellResult(
            outcome=outcome,
            guest_ns=log.end_ns,
            wall_seconds=1.0,
            records=len(log),
            lost_records=log.lost,
        )
        manifest = Manifest(outcome=outcome, inputs=cell_inputs(job().cell))
        verdict = make_verdict(job(), result, file).to_json()
        json.dumps(verdict)
        # Of a run it is made from the log in memory: the same, as the file has all of that.
        kept = dataclasses.replace(result, log=log)
        assert make_verdict(job(), kept, file).to_json() == verdict
        note_reaction(tmp_path, log)
        seal_results(tmp_path, {})
        assert reacted_in(tmp_path) == Reacted.of(read_columns(file, FIELDS))
        json.dumps(timeline(log, manifest))
        for revision in map(load_revision, ("v1", "v2", "v3", "v3-throttled", "v4", "v6")):
            assert revision is not None
            assert check(log, promises_of(revision))
    assert time.process_time() - started < SECONDS
