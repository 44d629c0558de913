"""``nextbar studio``: the server, ready before PyTorch is loaded."""

import secrets
import socket
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nextbar.errors import UsageError
from nextbar.frames.record import check_is_run
from nextbar.shipped import MODELS, find_run

MISSING = (
    "the studio needs {}, which is not installed; install it with: pip install 'nextbar[studio]'"
)


def studio(
    run: Path | None = None,
    /,
    *more: Path,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(help="0 takes one that is free.")] = 8765,
    token: str | None = None,
    models: Path | None = None,
) -> None:
    """Open a page in the browser on which you make music with a model.

    Nothing leaves this machine, and nothing but the given runs and models is read. Ctrl-C stops it.

    Example: nextbar studio run

    Parameters
    ----------
    run
        A folder made by `nextbar train`, a file MODEL.nextbar, or the name of a model that comes
        with nextbar; without one, all that come with it.
    more
        More of these, to choose among on the page.
    host
        Where to be reached; anything but this machine itself asks for a token.
    port
        The port to listen on.
    token
        What the address must carry where other machines can reach it; made up if not given.
    models
        A folder for the models that are made on the page of files of one's own; those that are
        there are opened. Without it they go when the studio is stopped.
    """
    usual = [model.folder for model in MODELS.values()]
    runs = usual if run is None else [find_run(each) for each in (run, *more)]
    for path in runs:
        check_is_run(path)
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
    app = make_app(runs, hosts=hosts, token=token, models=models)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False))
    carried = f"?token={token}" if token else ""
    for says, shown in _to_open(host):
        sys.stdout.write(f"{says:8}http://{shown}:{port}/{carried}\n")
    sys.stdout.write("stop:   Ctrl-C\n")
    sys.stdout.flush()
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return  # the usual way to stop it
    finally:
        listening.close()


def _to_open(host: str) -> list[tuple[str, str]]:
    """What a browser can open where the studio listens: what it is for, and the host.

    0.0.0.0 and :: are all addresses of this machine, and none to be opened.
    """
    if host not in ("0.0.0.0", "::"):
        return [("open:", f"[{host}]" if ":" in host else host)]
    family, here = (
        (socket.AF_INET, "127.0.0.1") if host == "0.0.0.0" else (socket.AF_INET6, "[::1]")
    )
    away = ("192.0.2.1", 9) if host == "0.0.0.0" else ("2001:db8::1", 9)
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect(away)  # sends nothing: it only finds which of our addresses is used
            own = asking.getsockname()[0]
    except OSError:
        own = socket.gethostname()
    return [("open:", here), ("others:", f"[{own}]" if ":" in own else own)]


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that the address printed is the one that is served."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    # Where Windows knows "reuse" it means that another program may take the same port.
    how = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
    listening.setsockopt(socket.SOL_SOCKET, how, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{host}:{port} cannot be listened on: {why}; see --port") from error
    return listening
