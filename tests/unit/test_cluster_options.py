"""Addresses of schedulers, as options name them."""

from __future__ import annotations

import argparse

import pytest
from memnotify.cli.cluster import add_cluster


def scheduler(address: str) -> object:
    parser = argparse.ArgumentParser()
    add_cluster(parser)
    return parser.parse_args(["--scheduler", address]).scheduler


@pytest.mark.parametrize(
    "address", ["tls://host-1.example:8786", "tcp://[fe80::1%eth0]:1", "tcp://127.0.0.1:65535"]
)
def test_an_address_of_a_scheduler(address: str) -> None:
    assert scheduler(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "host:1",
        "tcp://host",
        "tcp://me:secret@host:1",
        "tcp://[::1:1",
        "tcp://a:1,tcp://b:1",
        "tcp://host:0",
        "tcp://host:65536",
        "tcp://host:٣",
    ],
)
def test_what_dask_would_stumble_over_is_refused(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        scheduler(address)
    assert f"{address!r} is not an address such as" in capsys.readouterr().err
