"""What Linux has and another system has not is asked for nowhere without a way around it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nextbar.studio import adapting

from .fixtures import QUICK, write_tunes

LINUX_ONLY = ("sched_getaffinity", "sched_setaffinity", "memfd_create", "posix_fadvise")
ABSENT = {
    "darwin": ((), LINUX_ONLY, ()),
    "win32": (
        ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"),
        (*LINUX_ONLY, "fork", "forkpty", "getuid", "geteuid", "getgid", "killpg", "setpgid",
         "setsid", "getpgid", "mkfifo", "chown", "nice", "getloadavg"),
        ("SIGHUP", "SIGXCPU", "SIGALRM", "SIGUSR1", "SIGQUIT"),
    ),
}  # fmt: skip
"""Modules, functions of ``os`` and signals that Python does not have on a system."""
SCRIPT = """
import os, signal, subprocess, sys
import matplotlib, symusic  # what they do on Linux is their own matter
if __name__ == "__main__":
    import torch.distributed
modules, functions, signals = {absent!r}
sys.modules.update(dict.fromkeys(modules))  # to import one is an ImportError
for home, names in ((os, functions), (signal, signals)):
    for name in names:
        if hasattr(home, name):
            delattr(home, name)
import nextbar
from nextbar import workers
from nextbar.cli import main

class Sys:
    platform = {system!r}
    __getattr__ = staticmethod(lambda name: getattr(sys, name))
    stdout, stderr = sys.stdout, sys.stderr

if __name__ == "__main__":  # workers are begun anew, and load this file
    workers.sys = Sys()
    corpus = nextbar.prepare("tunes", "corpus", workers=2, onsets=False, common_key=False)
    assert corpus.n_bars == 72, corpus.n_bars  # 12 tunes of 6 bars
    nextbar.train(corpus, "run", **{quick!r})
    nextbar.generate("run", "music", pieces=1, bars=2, wav=False)
    nextbar.generate(None, "fiddle-music", pieces=1, bars=2, wav=False)
    nextbar.export("run", "mine.nextbar")
    assert main(["prepare", "music", "--out", "corpus-of-it"]) in (0, 1)
    assert main(["doctor"]) == 0
"""


@pytest.mark.trains
@pytest.mark.parametrize("system", ABSENT)
def test_tunes_become_a_run_and_music_without_what_a_system_lacks(system, tmp_path):
    write_tunes(tmp_path / "tunes")
    script = SCRIPT.format(absent=ABSENT[system], system=system, quick=QUICK)
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for folder in ("music", "fiddle-music"):
        assert len(list(Path(tmp_path, folder).glob("*.mid"))) == 1
    assert Path(tmp_path, "mine.nextbar").is_file()


def test_where_no_process_can_be_asked_to_end_it_is_ended(monkeypatch):
    """Windows knows no SIGINT of another process: to send one is a ValueError there."""
    monkeypatch.setattr(adapting, "CAN_INTERRUPT", False)
    words = [sys.executable, "-c", "input()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, text=True) as process:
        monkeypatch.setattr(process, "send_signal", lambda _: pytest.fail("it was sent a signal"))
        monkeypatch.setattr(process, "terminate", lambda: process.communicate("\n"))
        adapting._interrupt(process)
        assert process.wait(60) == 0
