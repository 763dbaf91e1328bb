"""A client of the dashboard's protocol, to measure the server without a browser."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

_WHOLE = ForwardMsg.FINISHED_SUCCESSFULLY
_PART = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY


class DashboardClient:
    """One session with the server; live fragments are refreshed as a browser would."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._page, self._query = "", ""
        self._drawn = asyncio.Event()
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._reader = asyncio.ensure_future(self._read())
        self.live_draws = 0
        self.received = 0  # bytes

    @classmethod
    async def open(cls, port: int, within: float = 30.0) -> DashboardClient:
        """Connect; waits for a server that is starting."""
        until = time.monotonic() + within
        while True:
            try:
                address = f"ws://127.0.0.1:{port}/_stcore/stream"
                return cls(await connect(address, subprotocols=[Subprotocol("streamlit")], max_size=None))
            except OSError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.02)

    async def go(self, page: str, query: str = "") -> float:
        """Open a page; returns the seconds until it is drawn."""
        self._page, self._query = page, query
        self._stop_timers()
        self._drawn.clear()
        started = time.perf_counter()
        await self._request_rerun()
        await asyncio.wait_for(self._drawn.wait(), 60)
        return time.perf_counter() - started

    async def close(self) -> None:
        """Close the session."""
        self._stop_timers()
        self._reader.cancel()
        await self._socket.close()

    async def _request_rerun(self, fragment: str = "") -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_name = self._query, self._page
        state.fragment_id, state.is_auto_rerun = fragment, bool(fragment)
        await self._socket.send(message.SerializeToString())

    async def _read(self) -> None:
        async for raw in self._socket:
            self.received += len(raw)
            message = ForwardMsg.FromString(raw if isinstance(raw, bytes) else raw.encode())
            kind = message.WhichOneof("type")
            if kind == "script_finished" and message.script_finished == _WHOLE:
                self._drawn.set()
            elif kind == "script_finished" and message.script_finished == _PART:
                self.live_draws += 1
            elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "bidi_component":
                component = message.delta.new_element.bidi_component
                if component.component_name == "recdash_pulse":
                    seconds = json.loads(component.json)["milliseconds"] / 1000
                    self._timers[component.id] = asyncio.ensure_future(self._tick(message.delta.fragment_id, seconds))

    async def _tick(self, fragment: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with suppress(Exception):
            await self._request_rerun(fragment)

    def _stop_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
