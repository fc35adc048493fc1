"""Options of `memnotify run` for cells on other hosts."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from memnotify.campaign.load import Campaign
from memnotify.campaign.values import TAG
from memnotify.cli.paths import path
from memnotify.errors import InputError
from memnotify.results.folder import RunFolder
from memnotify.run.executors.jobqueue import MOST_JOBS, SYSTEMS, jobs
from memnotify.run.executors.protocol import Cluster, Tls
from memnotify.run.verify import VERIFIED
from memnotify.store import Store
from memnotify.text import counted, shown

if TYPE_CHECKING:
    # A fleet's modules are imported when there is one.
    from memnotify.run.fleet.hosts import Hosts

_NUMBER = re.compile(r"0*([1-9][0-9]*)")
_ADDRESS = re.compile(r"(?:tls|tcp)://(?:\[[0-9A-Za-z:.%_-]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_PORTS = range(1, 1 << 16)


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--fleet",
        type=path,
        metavar="HOSTS.toml",
        help="run the cells on these hosts, over ssh: memnotify fleet up before, and down after, "
        "unless the fleet is up already; docs/howto/many-machines.md describes the format",
    )
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
    parser.add_argument(
        "--jobqueue",
        type=_jobs,
        metavar="SYSTEM[:N]",
        help=f"run the cells in N jobs of a batch system (default: 1): {', '.join(SYSTEMS)}",
    )
    parser.add_argument(
        "--tag",
        action="append",
        type=_tag,
        metavar="TAG",
        help="run the cells only on hosts that have this tag, by the file of --fleet, or as a "
        "resource of the worker, besides those that the campaign names; kvm and x86_64 are found "
        "out; may be repeated",
    )
    parser.add_argument(
        "--verify",
        type=_count,
        metavar="N",
        help="run N of the cells once more, each on a different host, and compare the "
        "records bit for bit; the exit status is 1 if any differ, or if no cell could be compared",
    )


def _jobs(text: str) -> tuple[str, int]:
    system, colon, count = text.partition(":")
    number = _NUMBER.fullmatch(count if colon else "1")
    if system not in SYSTEMS or number is None:
        known = ", ".join(SYSTEMS)
        raise argparse.ArgumentTypeError(f"{text!r} is not a system such as slurm:4: {known}")
    if len(number[1]) > len(str(MOST_JOBS)) or int(number[1]) > MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{shown(text)} are more than {MOST_JOBS} jobs")
    return system, int(number[1])


def _tag(text: str) -> str:
    if not re.fullmatch(TAG, text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a tag, such as big")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of cells (1 or more)")
    return int(text)


def print_verified(console: Console, folder: RunFolder) -> bool:
    """Print whether the cells that ran on two hosts gave the same records, and return it.

    Where there was none, nothing was verified.
    """
    found: list[dict[str, bool]] = json.loads((folder.path / VERIFIED).read_text(encoding="utf-8"))
    same: int = sum(each["same"] for each in found)
    text = f"verified: {same} of {counted(len(found), 'cell')} gave the same records on two hosts"
    console.print(text, soft_wrap=True, markup=False, highlight=False)
    return 0 < same == len(found)


def tags_of(args: argparse.Namespace, campaign: Campaign) -> tuple[str, ...]:
    """Return the tags that hosts need, by the campaign and by the options. Raises InputError.

    On this host a campaign runs whatever it names: the user has chosen the host.
    """
    named = campaign.table.tags
    if named and args.jobqueue is not None:
        raise InputError(
            f"tags = {json.dumps(named)}: jobs of a batch system have no tags",
            file=campaign.path,
            hint="choose nodes in ~/.config/dask/jobqueue.yaml, and leave the tags out",
        )
    return tuple(dict.fromkeys((*named, *(args.tag or ()))))


def hosts_of(args: argparse.Namespace) -> Hosts | None:
    """Return what the file says that --fleet names. Raises InputError."""
    if args.tag is not None and args.fleet is None and args.scheduler is None:
        raise InputError("--tag needs --fleet or --scheduler: it chooses hosts")
    if args.fleet is None:
        return None
    for name in ("scheduler", "tls"):
        if getattr(args, name) is not None:
            raise InputError(f"--{name} cannot be combined with --fleet, which has its own")
    from memnotify.run.fleet.hosts import load_hosts

    return load_hosts(args.fleet)


def _address(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[1]) not in _PORTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as tls://host:8786")
    return text


def refuse_cluster(
    args: argparse.Namespace, hosts: Hosts | None, *, tags: Sequence[str]
) -> Tls | None:
    """Return the files of --tls, which are looked at before a run fetches and builds.

    Raises InputError if one of them is of no use, if options cannot be combined, or if none of the
    `hosts`, those of --fleet, has the tags.
    """
    if args.jobqueue is not None:
        for name in ("fleet", "scheduler", "tls"):
            if getattr(args, name) is not None:
                raise InputError(f"--{name} cannot be combined with --jobqueue")
        return None
    if hosts is not None:
        from memnotify.run.fleet.for_run import refuse_tags

        refuse_tags(hosts, tags)
        return None
    if args.scheduler is None:
        for name in ("tls", "verify"):
            if getattr(args, name) is not None:
                raise InputError(f"--{name} needs --scheduler")
        return None
    encrypted = args.scheduler.startswith("tls:")
    if encrypted and args.tls is None:
        raise InputError(
            f"--scheduler {args.scheduler} needs --tls", hint="name the folder with ca.pem"
        )
    if args.tls is not None and not encrypted:
        raise InputError(
            f"--tls cannot be combined with --scheduler {args.scheduler}, which does not encrypt"
        )
    return None if args.tls is None else Tls.in_folder(args.tls)


@contextmanager
def cluster_of(
    args: argparse.Namespace,
    hosts: Hosts | None,
    *,
    tls: Tls | None,
    tags: Sequence[str],
    store: Store,
    say: Callable[[str], None],
) -> Iterator[Cluster | None]:
    """Yield the cluster that the options name, or None; `hosts` are those of --fleet.

    `tls` is what `refuse_cluster` returned. A fleet that is made has only hosts with the tags.

    Raises InputError, and InfrastructureError if there is no host.
    """
    if args.jobqueue is not None:
        with jobs(*args.jobqueue) as made:
            yield made
    elif hosts is not None:
        from memnotify.run.fleet.for_run import fleet_for_run

        with fleet_for_run(hosts, store=store, say=say, tags=tags) as cluster:
            yield cluster
    elif args.scheduler is not None:
        yield Cluster(address=args.scheduler, tls=tls)
    else:
        yield None
