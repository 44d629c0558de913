"""The studio behind a real socket: in this process, or as the command in one of its own."""

import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx2
import uvicorn

from nextbar.studio.command import listen


@contextmanager
def serving(app):
    """The application behind a socket; gives its address."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        listening.close()


@contextmanager
def command(*words):
    """``nextbar studio`` with these words, its runs loaded; gives the process and its address."""
    program = [sys.executable, "-m", "nextbar", "studio", *map(str, words), "--port", "0"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline()
        address = re.search(r"http://\S+", said)[0].rstrip("/")
        while httpx2.get(f"{address}/api/runs", timeout=120).json()["loading"]:
            time.sleep(0.05)
        yield process, address
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
