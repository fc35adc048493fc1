"""Options of `memnotify run` for the hosts of a cluster."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager

from memnotify.cli.paths import path
from memnotify.errors import InputError
from memnotify.run.executors.protocol import Cluster, Tls

_ADDRESS = re.compile(r"(tls|tcp)://\S+:\d{1,5}")


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--scheduler",
        type=_address,
        metavar="ADDRESS",
        help="run the cells on the workers of this Dask scheduler, such as tls://host:8786",
    )
    parser.add_argument(
        "--tls",
        type=path,
        metavar="DIR",
        help="the folder with ca.pem, cert.pem and key.pem, with which scheduler and workers know "
        "this user",
    )


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as tls://host:8786")
    return text


@contextmanager
def cluster_of(args: argparse.Namespace) -> Iterator[Cluster | None]:
    """Yield the cluster that the options name, or None. Raises InputError."""
    if args.scheduler is None:
        if args.tls is not None:
            raise InputError("--tls needs --scheduler")
        yield None
        return
    encrypted = args.scheduler.startswith("tls:")
    if encrypted and args.tls is None:
        raise InputError(
            f"--scheduler {args.scheduler} needs --tls", hint="name the folder with ca.pem"
        )
    if args.tls is not None and not encrypted:
        raise InputError(
            f"--tls cannot be combined with --scheduler {args.scheduler}, which does not encrypt"
        )
    yield Cluster(address=args.scheduler, tls=None if args.tls is None else Tls.in_folder(args.tls))
