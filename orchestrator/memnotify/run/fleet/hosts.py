"""The file that names the hosts of a fleet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from memnotify import toml
from memnotify.errors import InputError
from memnotify.run.executors.protocol import FOUND, OWN, RESOURCES

_NAMES = toml.spelled(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "a name of letters, digits, '.', '_' and '-'")
# The resources that workers offer by themselves begin with memnotify-.
_TAGS = toml.spelled(
    rf"(?!{OWN})[a-z][a-z0-9_-]*",
    f"a tag of lower-case letters, digits, '_' and '-', which does not begin with {OWN}",
)
_ADDRESSES = toml.spelled(
    r"([^\s/-][^\s/]*@)?[A-Za-z0-9_.:%][A-Za-z0-9_.:%-]*", "an address for ssh: [user@]host"
)
_MOST_HOURS = 24 * 31

Count = Annotated[int, Field(ge=1)]


class HostTable(toml.Table):
    """A host, as ssh knows it. Its paths are relative to the user's home on it."""

    name: Annotated[str, _NAMES] | None = Field(
        default=None, description="What tables and results call it; default: the host of address."
    )
    address: Annotated[str, _ADDRESSES] = Field(
        description="For ssh: [user@]host, or a name of its configuration."
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="The port of its ssh server; default: as ssh is configured."
    )
    user: Annotated[str, toml.spelled(r"[^\s@-][^\s@]*", "a user's name")] | None = Field(
        default=None, description="The user there; default: as ssh is configured."
    )
    key: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The private key to log in with, from the folder of this file; "
        "default: those that ssh finds, and its agent.",
    )
    python: Annotated[str, Field(min_length=1)] = Field(
        default="python3", description="Its Python, of the same version as the one here."
    )
    folder: Annotated[str, Field(min_length=1)] = Field(
        default="memnotify-fleet", description="The folder there for all that a fleet needs."
    )
    store: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The folder there for kernels, images and templates, which stays; "
        "default: one in folder, which goes with the fleet.",
    )
    cores: Count | None = Field(
        default=None, description="Cores for guests; default: all that the host may use."
    )
    memory_mib: Count | None = Field(
        default=None, description="Memory for guests; default: what the host has, less a tenth."
    )
    boots: Count | None = Field(
        default=None, description="Guests that boot at a time; default: half the cores, at least 2."
    )
    tags: list[Annotated[str, _TAGS]] = Field(
        default=[],
        description="What it has that others lack, such as big; kvm is found out.",
    )


class FleetTable(toml.Table):
    """The hosts of a fleet; `memnotify fleet` and `memnotify run --fleet` read them."""

    listen: Annotated[str, toml.spelled(r"[0-9A-Fa-f.:]+", "an IP address")] | None = Field(
        default=None,
        description="The address of this machine that the hosts reach; "
        "default: the one from which ssh reaches them.",
    )
    hours: Annotated[int, Field(ge=1, le=_MOST_HOURS)] = Field(
        default=24, description="How long the certificates are valid, and the workers run."
    )
    host: Annotated[list[HostTable], Field(min_length=1)] = Field(description="The hosts.")


def asked(tags: Collection[str]) -> list[str]:
    """Return the tags that are asked of the file: workers find out the others by themselves."""
    return [tag for tag in tags if tag not in FOUND]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host of a fleet. `key` is a file here; the other paths are from the user's home there."""

    name: str
    address: str
    port: int | None = None
    user: str | None = None
    key: Path | None = None
    python: str = "python3"
    folder: str = "memnotify-fleet"
    store: str | None = None
    cores: int | None = None
    memory_mib: int | None = None
    boots: int | None = None
    tags: Sequence[str] = ()

    def has(self, tags: Collection[str]) -> bool:
        """Return whether it has all of these tags, as far as the file says."""
        return set(asked(tags)) <= set(self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """What a hosts.toml says."""

    file: Path
    listen: str | None
    hours: int
    hosts: Sequence[Host]

    def with_tags(self, tags: Collection[str]) -> Hosts:
        """Return only the hosts that have all of these tags. Raises InputError if there is none."""
        found = [host for host in self.hosts if host.has(tags)]
        if not found:
            text = f"no host has the tags {', '.join(asked(tags))}"
            raise InputError(text, file=self.file, hint="add them to the tags of a host")
        return replace(self, hosts=tuple(found))


def load_hosts(path: Path) -> Hosts:
    """Read a HOSTS.toml. Raises InputError."""
    value, lines = toml.read(path)
    table = toml.check(FleetTable, value, path=path, lines=lines)
    hosts: dict[str, Host] = {}
    for index, row in enumerate(table.host):
        name = row.name or row.address.rpartition("@")[2]

        def refuse(key: str, message: str, hint: str, at: int = index) -> InputError:
            line = lines.nearest(("host", at, key)) or 1
            return InputError(f"host[{at}].{key}: {message}", file=path, line=line, hint=hint)

        if name in hosts:
            raise refuse(
                "name" if row.name else "address", f"{name} stands twice", "give it a name"
            )
        if row.user is not None and "@" in row.address:
            raise refuse("user", "the address also names a user", "leave one out")
        if taken := [tag for tag in row.tags if tag in RESOURCES]:
            raise refuse("tags", f"{taken[0]} is a capacity", f"write {taken[0]} = N")
        key = None if row.key is None else (path.parent / Path(row.key).expanduser()).absolute()
        if key is not None and not key.is_file():
            raise refuse("key", f"{key} is no file", "name a private key")
        given = row.model_dump(exclude={"name", "key", "tags"})
        hosts[name] = Host(name=name, key=key, tags=tuple(row.tags), **given)
    return Hosts(file=path, listen=table.listen, hours=table.hours, hosts=tuple(hosts.values()))
