"""Run the Studio: on 127.0.0.1 alone, until Ctrl-C."""

from __future__ import annotations

import errno
import socket
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.errors import CheckpointError, ConfigError, MissingDependencyError
from holdfast.studio.security import Gate
from holdfast.studio.studio import Studio

PORT = 8765
HOST = "127.0.0.1"
BACKLOG = 128


def serve(folders: Sequence[str | Path] = (), port: int | None = None, *, browser: bool = True) -> None:
    """Open the models, print the address alone on its line, and answer until Ctrl-C.

    Args:
        folders: Saved models; none: those that come with the package.
        port: Where to listen; None takes 8765, or a free one where that is taken.
        browser: Whether to open the address in the browser.

    Raises:
        CheckpointError: none of the folders holds a model that can be opened.
        ConfigError: the port is taken.
        MissingDependencyError: Starlette or uvicorn is not installed.
    """
    try:
        import uvicorn

        from holdfast.studio.app import make_app
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise MissingDependencyError(error.name, "The Studio", "studio") from error
    studio = Studio.open(folders)
    if len(studio.errors) == len(studio.subjects):
        raise CheckpointError(" ".join(studio.errors) or "The package holds no models. Name the folder of a saved one.")
    for text in studio.errors:
        print(f"This model cannot be opened, and the page says so: {text}", flush=True)
    with _listen(port) as listener:
        gate = Gate(listener.getsockname()[1])
        print("Holdfast Studio is at this address, for this machine alone. Ctrl-C ends it.", flush=True)
        print(gate.address, flush=True)
        if browser:
            webbrowser.open(gate.address_once())
        config: Any = uvicorn.Config(
            make_app(studio, gate), log_level="warning", access_log=False, server_header=False, ws="none",
            timeout_graceful_shutdown=2, timeout_keep_alive=30,
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listener])


def _listen(port: int | None) -> socket.socket:
    """Return a socket that is bound to this machine's own address alone."""
    # TCP is named: only then does asyncio send small answers at once, and not after 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    wanted = PORT if port is None else port
    if not 0 <= wanted <= 65535:
        listener.close()
        raise ConfigError(f"Port {wanted} cannot be used: ports end at 65535. Name one from 1024 to 65535.")
    try:
        listener.bind((HOST, wanted))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        listener.close()
        if taken and port is None:
            return _listen(0)
        if taken:
            raise ConfigError(
                f"Port {wanted} is taken by another program. Name another with --port, or leave --port out."
            ) from error
        raise ConfigError(f"Port {wanted} cannot be used: {error.strerror}. Name one from 1024 to 65535.") from error
    listener.listen(BACKLOG)  # whoever comes before the server answers waits, and is not turned away
    return listener
