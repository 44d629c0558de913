"""``nextbar studio``: the server, ready before PyTorch is loaded."""

import secrets
import socket
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from nextbar.errors import NextbarError, RunError, UsageError
from nextbar.shipped import FOLDER as SHIPPED

MISSING = (
    "the studio needs {}, which is not installed; install it with: pip install 'nextbar[studio]'"
)


def studio(
    run: Path = SHIPPED,
    /,
    *more: Path,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(help="0 takes one that is free.")] = 8765,
    token: str | None = None,
) -> None:
    """Open a page in the browser on which you make music with a model.

    Nothing leaves this machine, and nothing but the given runs is read. Ctrl-C stops it.

    Example: nextbar studio run

    Parameters
    ----------
    run
        A folder made by `nextbar train`; without one, the model that comes with nextbar.
    more
        More such folders, to choose among on the page.
    host
        Where to be reached; anything but this machine itself asks for a token.
    port
        The port to listen on.
    token
        What the address must carry where other machines can reach it; made up if not given.
    """
    for path in (run, *more):
        if not (path / "run.json").is_file():
            found = "there is no such folder" if not path.is_dir() else "it has no run.json"
            raise RunError(f"{path} is not a run: {found}; make one with `nextbar train`")
    try:
        import uvicorn

        from nextbar.studio.app import make_app
    except ImportError as error:
        raise UsageError(MISSING.format(error.name)) from error
    from nextbar.studio.safety import is_loopback

    loopback = is_loopback(host)
    if not loopback:
        token = token or secrets.token_urlsafe(18)
    listening = listen(host, port)
    port = listening.getsockname()[1]
    hosts = ["127.0.0.1", "localhost", "[::1]", host] if loopback else []
    app = make_app([run, *more], hosts=hosts, token=token)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False))
    shown = f"[{host}]" if ":" in host else host
    carried = f"?token={token}" if token else ""
    sys.stdout.write(f"open:   http://{shown}:{port}/{carried}\nstop:   Ctrl-C\n")
    sys.stdout.flush()
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return  # the usual way to stop it
    finally:
        listening.close()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that the address printed is the one that is served."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{host}:{port} cannot be listened on: {why}; see --port") from error
    return listening


def run(words: list[str]) -> int:
    """Runs the command by itself, without loading the other ones; returns the exit code."""
    app = App(name="nextbar studio", version_flags=())
    app.default(studio)
    try:
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, UsageError) as error:
        return _fail(str(error), 2)
    except NextbarError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return 0
    return 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"nextbar: {message}\n")
    return code
