"""Which process owns a run, and whether it still lives."""

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

from recdash.json_values import (
    is_count,
    is_number,
    json_object,
)

SILENCE = 10.0  # seconds without a heartbeat after which a worker on another host counts as dead
_SAME_START = 2.0  # two readings of one start time may differ when the clock is set; no id is used twice so soon


@dataclass(frozen=True)
class ProcessId:
    """A process, told from later ones that get the same id by its start time."""

    host: str
    pid: int
    process_start: float

    @classmethod
    def mine(cls) -> ProcessId:
        """Return the identity of this process, read afresh."""
        pid = os.getpid()
        return cls(this_host(), pid, psutil.Process(pid).create_time())

    @classmethod
    def parse(cls, text: str) -> ProcessId:
        """Return the identity that was written down as JSON; raises ValueError or KeyError for anything else."""
        return cls.from_dict(json_object(text))

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> ProcessId:
        """Return the identity that was written down as fields; raises ValueError or KeyError for anything else."""
        host, pid, process_start = (
            found["host"],
            found["pid"],
            found.get("process_start", found.get("born")),
        )  # "born" until 0.2
        if not isinstance(host, str) or not is_count(pid) or not 0 < pid < 2**31 or not is_number(process_start):
            raise ValueError("no identity of a process")
        return cls(host, pid, float(process_start))


@cache
def this_host() -> str:
    """Name the space in which process ids mean something: host and, in containers, the process namespace."""
    try:
        space = f"/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        space = ""
    return f"{socket.gethostname()}{space}"


def is_alive(who: ProcessId, heartbeat: float | None, now: float | None = None) -> bool:
    """Whether that process lives: here by id and start time, elsewhere by a heartbeat of the last ten seconds."""
    if who.host != this_host():
        return heartbeat is not None and (time.time() if now is None else now) - heartbeat <= SILENCE
    try:
        process = psutil.Process(who.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - who.process_start) < _SAME_START
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def kill_tree(pid: int) -> None:
    """End a process and all its children at once."""
    try:
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=5)
