"""How long a full log of a million records takes: out of shared memory, to Parquet and back.

Times are the best of several, in CPU seconds of all threads, so that a busy host does not matter.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from memnotify.records import layout
from memnotify.records.decode import decode
from memnotify.records.parquet import read_records, write_records

RECORDS = 1_000_000
ROUNDS = 5


def full_region() -> bytearray:
    """Return a region whose log is full of records such as a busy guest writes."""
    region = bytearray(layout.region_size(RECORDS))
    layout.init_header(region, RECORDS)
    np.frombuffer(region, layout.HEADER, count=1)["next"] = RECORDS
    records = np.frombuffer(region, layout.RECORD, count=RECORDS, offset=layout.RECORDS_OFFSET)
    random = np.random.default_rng(2008)
    records["commit"] = np.arange(1, RECORDS + 1)
    records["kind"] = random.choice(list(layout.Kind), RECORDS)
    records["client"] = random.integers(0, 200, RECORDS)
    records["time_ns"] = np.cumsum(random.integers(0, 100_000, RECORDS))
    records["value"] = random.integers(0, 100_000, (RECORDS, 5))
    return region


def best(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of several rounds."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    region = full_region()
    log = decode(region, RECORDS)
    assert (len(log), log.lost, log.torn) == (RECORDS, 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.parquet"
        figures: list[tuple[str, float, float | None]] = [
            ("decode 1 M records", best(lambda: decode(region, RECORDS)), 0.2),
            ("write 1 M records as Parquet", best(lambda: write_records(log, path)), None),
            ("read 1 M records from Parquet", best(lambda: read_records(path)), None),
        ]
    results: list[dict[str, Any]] = []
    for name, value, target in figures:
        aim = "" if target is None else f"  (target: at most {target} s)"
        print(f"{name}: {value:.3f} s{aim}")
        results.append(
            {"name": name, "value": value, "unit": "s", "target": target, "better": "lower"}
        )
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
