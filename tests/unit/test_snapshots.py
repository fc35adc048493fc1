"""QEMU's jobs, and the changes to a saved state."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest import snapshots
from memnotify.guest.qmp import Monitor
from qemu.qmp import EventListener, Message


class FakeClient:
    """A QEMU whose jobs go through `statuses`, as fast as they are queried."""

    def __init__(self, *statuses: str, error: str | None = None) -> None:
        self.statuses = statuses
        self.result = {} if error is None else {"error": error}
        self.jobs: list[str] = []
        self.commands: list[str] = []
        self.given: list[dict[str, Any]] = []

    def register_listener(self, listener: EventListener) -> None:
        self.listener = listener

    async def execute(self, command: str, arguments: dict[str, Any] | None) -> Any:
        self.commands.append(command)
        given = arguments or {}
        self.given.append(given)
        if "job-id" in given:
            self.jobs.append(given["job-id"])
            for status in self.statuses:
                data = {"id": given["job-id"], "status": status}
                await self.listener.put(Message({"event": "JOB_STATUS_CHANGE", "data": data}))
                other = {"id": "another", "status": "concluded"}
                await self.listener.put(Message({"event": "JOB_STATUS_CHANGE", "data": other}))
        if command == "query-jobs":
            mine = [{"id": name, "status": "concluded", **self.result} for name in self.jobs]
            return [{"id": "another", "status": "concluded", "error": "its own"}, *mine]
        if command == "job-dismiss":
            self.jobs.remove(given["id"])
        return {}


def save(client: FakeClient) -> None:
    monitor = Monitor(client, patience=0.05)  # type: ignore[arg-type]
    asyncio.run(snapshots.save(monitor, Path("/state")))


def test_a_job_ends_when_it_is_concluded() -> None:
    client = FakeClient("created", "running", "concluded")
    save(client)
    assert client.commands[-3:] == ["snapshot-save", "query-jobs", "job-dismiss"]
    assert client.jobs == []


def test_a_job_that_fails_says_why() -> None:
    with pytest.raises(InfrastructureError, match="'snapshot-save' failed: no room") as caught:
        save(FakeClient("created", "running", "concluded", error="no room"))
    assert caught.value.kind == "qmp-job"


def test_a_job_that_never_ends_is_given_up() -> None:
    with pytest.raises(InfrastructureError, match="did not finish 'snapshot-save'") as caught:
        save(FakeClient("created", "running"))
    assert caught.value.kind == "qmp-timeout"


def test_without_qemu_img_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="qemu-img is not installed") as caught:
        snapshots.create(tmp_path / "state", log=None)
    assert "qemu-utils" in str(caught.value.hint)


def block(name: bytes, size: int, address: int) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">QQ", size, address)


def test_only_the_address_of_the_log_is_taken_out_of_a_state(tmp_path: Path) -> None:
    ram, swap = block(b"ram", 64 << 20, 0), block(b"0000:00:06.0/swap", 1 << 27, 0xF0000000)
    log, state = b"0000:00:04.0/log", tmp_path / "state"
    state.write_bytes(b"QEVM" + ram + block(log, 1 << 21, 0xF8000000) + swap + b"the rest")
    snapshots.forget_address(state, "log")
    assert state.read_bytes() == b"QEVM" + ram + block(log, 1 << 21, 0) + swap + b"the rest"


@pytest.mark.parametrize("blocks", [0, 2])
def test_a_state_that_is_not_as_expected_is_refused(tmp_path: Path, blocks: int) -> None:
    state = tmp_path / "state"
    state.write_bytes(b"QEVM" + block(b"0000:00:04.0/log", 1 << 21, 1 << 31) * blocks)
    with pytest.raises(InfrastructureError, match="not as expected"):
        snapshots.forget_address(state, "log")


def test_every_state_is_changed_if_there_are_several(tmp_path: Path) -> None:
    log, state = b"0000:00:04.0/log", tmp_path / "state"
    state.write_bytes(block(log, 1 << 21, 0xF8000000) * 2)
    snapshots.forget_address(state, "log", states=2)
    assert state.read_bytes() == block(log, 1 << 21, 0) * 2


def clock(ticks: int, bias: int, ns: int) -> bytes:
    return b"\x05timer" + struct.pack(">IIqqq", 0, 2, ticks, bias, ns)


def test_only_the_clock_of_the_host_is_set_to_0(tmp_path: Path) -> None:
    state = tmp_path / "state"
    rest = b"\x05\x0ctimer/icount" + bytes(range(32))
    state.write_bytes(b"QEVM" + clock(7, 8, 13_000_000_000) + rest)
    snapshots.forget_clock(state)
    assert state.read_bytes() == b"QEVM" + clock(7, 8, 0) + rest
    with pytest.raises(InfrastructureError, match="not as expected"):
        snapshots.forget_clock(state, states=2)


def test_a_state_has_a_name_in_its_file() -> None:
    client = FakeClient("created", "concluded")
    monitor = Monitor(client, patience=0.05)  # type: ignore[arg-type]
    asyncio.run(snapshots.save_again(monitor))
    asyncio.run(snapshots.load(monitor, Path("/state"), tag=snapshots.AGAIN))
    tags = [given["tag"] for given in client.given if "tag" in given]
    assert tags == [snapshots.AGAIN, snapshots.AGAIN] and snapshots.AGAIN != snapshots.READY
