"""memnotify fleet status"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from memnotify.cli.fleet import add_hosts
from memnotify.cli.output import add_json, say_next
from memnotify.errors import InfrastructureError, InputError
from memnotify.jsontext import dump
from memnotify.report.grid import Column, Grid, Row
from memnotify.report.plain import plain_console, print_line
from memnotify.run.fleet.hosts import load_hosts
from memnotify.run.fleet.state import Place
from memnotify.run.fleet.status import LEFT, UP, FleetStatus, status

_HOUR = 3600


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "List the hosts of a fleet that is up. A host is up, gone (its worker is lost), or failed "
        "(it never had one). A host that could not be reached when an earlier fleet ended is "
        "left; fleet down tries it again. The exit status is 3 if one is not up. It is said if the "
        "hosts are not those that the file names now."
    )
    add_hosts(parser)
    add_json(parser)
    parser.set_defaults(handler=_status)


def _status(args: argparse.Namespace) -> int:
    hosts, place = load_hosts(args.hosts), Place(args.hosts)
    fleet = place.read()
    if fleet is None:
        raise InputError("no fleet of these hosts is up", file=args.hosts)
    found = status(fleet, place, hosts)
    if args.json:
        sys.stdout.write(dump(found.to_json()) + "\n")
    else:
        print_status(found, args.hosts)
    fine = not found.left and all(host.state == UP for host in found.hosts)
    return 0 if fine else InfrastructureError.exit_code


def print_status(found: FleetStatus, hosts: Path) -> None:
    """Print a fleet as a table."""
    columns = (
        Column(name="host"),
        Column(name="state"),
        Column(name="running", right=True),
        Column(name="cores", right=True),
        Column(name="memory_mib", title="MiB", right=True),
        Column(name="seen_s", title="seen, s", right=True),
        Column(name="detail", wraps=True),
    )
    rows = []
    for host in found.hosts:
        values: dict[str, object] = {
            "host": host.name,
            "detail": " ".join([host.detail, *host.tags]),
        }
        values |= {name: getattr(host, name) for name in _VALUES}
        rows.append(Row(values, {}, "" if host.state == UP else "bold red"))
    for left in found.left:
        detail = f"{left.folder} of an earlier fleet may be there: memnotify fleet down {hosts}"
        values = {"host": left.name, "state": LEFT, "detail": detail}
        rows.append(Row(values, {}, "bold red"))
    console = plain_console()
    Grid(columns, tuple(rows)).print(console)
    if found.file_differs:
        again = "memnotify fleet down, and up again, for these"
        print_line(
            console, f"{hosts} has other hosts than the fleet: {found.file_differs}; {again}"
        )
    if found.scheduler is None:
        if found.hosts:
            print_line(console, "the scheduler is gone: memnotify fleet down, and up again")
        else:
            print_line(console, "the fleet is down, except for what is left")
        return
    hours = max(0.0, found.left_s / _HOUR)
    print_line(console, f"scheduler {found.scheduler}, for {hours:.1f} hours; TLS in {found.tls}")
    say_next(
        console,
        (f"run CAMPAIGN.toml --fleet {hosts}", "run a campaign on these hosts"),
        (f"fleet down {hosts}", "end the fleet"),
    )


_VALUES = ("state", "running", "cores", "memory_mib", "seen_s")
