"""The HTTP server of both services: says when it is ready, sleeps when idle, ends cleanly on a signal."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

_GRACE_SECONDS = 3
# Longer than a client keeps a connection that it does not use: it is the client that closes it.
_KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """Uvicorn that waits for a signal instead of waking ten times a second, and that exits 0 after one."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(
            app,
            # Parsing in C: half of what a small request takes of a processor is HTTP.
            http="httptools",
            lifespan="on",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
        )
        super().__init__(config)
        self._stopped = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then announce the address on standard output."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)
        await super().startup(sockets=sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            print(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)

    async def main_loop(self) -> None:
        """Wait for a signal."""
        await self._stopped.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the event loop."""
        yield


def serve(app: Any, listener: socket.socket) -> None:
    """Serve an ASGI application until SIGTERM or SIGINT."""
    asyncio.run(Server(app).serve(sockets=[listener]))


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    # asyncio sends small answers at once only when a socket says that its protocol is TCP; create_server's do not.
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen()
    return listener
