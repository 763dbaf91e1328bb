"""Which process owns a run, and whether it is alive."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from recdash.json_values import is_count, is_number, json_object

HEARTBEAT_TIMEOUT = 10.0  # seconds without a heartbeat after which a worker on another host counts as dead
# Seconds. Two readings of one start time differ when the clock is set; no process id is used again within this time.
_START_TOLERANCE = 2.0


@dataclass(frozen=True)
class ProcessId:
    """Identity of a process. Its start time distinguishes it from a later process with the same id.

    Attributes:
        host: See `this_host`.
        pid: Process id on that host.
        process_start: Seconds since 1970.
    """

    host: str
    pid: int
    process_start: float

    @classmethod
    def mine(cls) -> ProcessId:
        """Return the identity of this process. It is not cached: a forked worker has another one."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Return the identity of a process of this host that exists."""
        return cls(this_host(), pid, psutil.Process(pid).create_time())

    @classmethod
    def parse(cls, text: str) -> ProcessId:
        """Read an identity from JSON; raises ValueError or KeyError for anything else."""
        return cls.from_dict(json_object(text))

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ProcessId:
        """Read an identity from its fields; raises ValueError or KeyError for anything else."""
        host, pid = fields["host"], fields["pid"]
        process_start = fields.get("process_start", fields.get("born"))  # "born" until version 0.2
        if not isinstance(host, str) or not is_count(pid) or not 0 < pid < 2**31 or not is_number(process_start):
            raise ValueError("not the identity of a process")
        return cls(host, pid, float(process_start))


@cache
def this_host() -> str:
    """Name the host, and in containers also the process namespace: process ids are unique within it."""
    try:
        namespace = f"/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}{namespace}"


def is_alive(process_id: ProcessId, heartbeat: float | None, now: float | None = None) -> bool:
    """Whether a process is alive.

    Args:
        process_id: A process of this host is checked by id and start time, one of another host by its heartbeat.
        heartbeat: Time of its last heartbeat, in seconds since 1970.
        now: Time to compare the heartbeat with; by default the present.
    """
    if process_id.host != this_host():
        return heartbeat is not None and (time.time() if now is None else now) - heartbeat <= HEARTBEAT_TIMEOUT
    try:
        process = psutil.Process(process_id.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - process_id.process_start) < _START_TOLERANCE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def kill_tree(pid: int) -> None:
    """Kill a process and all its children, and wait up to 5 seconds until they are gone."""
    try:
        process = psutil.Process(pid)
        members = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in members:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(members, timeout=5)
