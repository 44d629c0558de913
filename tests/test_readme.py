"""What the README promises is tried: its commands are real, its Python runs."""

import re
import shlex
import shutil
from pathlib import Path

import mido
import pytest

import nextbar
from nextbar.cli import DEMO, app, main
from nextbar.frames.config import override
from nextbar.training.presets import Preset

from .fixtures import TINY, let_run_sound
from .music.midi_files import midi, signature, track

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


LONG = ("adapt", "demo", "fetch", "mix", "reproduce", "studio")
"""Commands that are tried in tests of their own; here they are parsed."""


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands():
    """Every command line in the README's console blocks, comments taken off."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_the_readme_has_commands_of_each_kind():
    programs = {words[0] for words in commands()}
    assert programs == {"make", "source", "nextbar", "python", "torchrun"}
    shown = {words[1] for words in commands() if words[0] == "nextbar"}
    assert shown >= {"prepare", "train", "generate", "evaluate", "inspect"}


def test_every_make_target_in_the_readme_exists():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for words in commands():
        if words[0] == "make":
            assert set(words[1:]) <= set(targets), words


def test_the_nextbar_commands_of_the_readme_run_in_their_order(trained, tmp_path, monkeypatch):
    """Letter for letter, on a folder of small tunes, one of them a jig; the default is small.

    Where they do not say how many pieces, two are asked for.
    """
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained / "tunes", tmp_path / "my-midi-files")
    jig = track([(240 * i, 240, 62 + i % 7, 80) for i in range(6 * 8)])
    data = midi(mido.MidiTrack([signature(6, 8)]), jig)
    (tmp_path / "my-midi-files" / "jig.mid").write_bytes(data)
    (tmp_path / "mytune.mid").symlink_to(trained / "tunes" / "tune01.mid")
    few = {"encoder_channels": (8, 8), "generator_channels": (8, 8), "latent": 2, "epochs": 1}
    few |= {"phrase_updates": 0, "repeats": ()}
    small = override(nextbar.PRESETS["default"].config, latent_mixture=2, **few)
    monkeypatch.setitem(nextbar.PRESETS, "default", Preset(config=small))
    ran = 0
    for words in commands():
        if words[0] == "nextbar" and words[1] not in LONG and "--devices" not in words:
            few_pieces = ["--pieces", "2"] if words[1] == "generate" else []
            assert main([*words[1:], *few_pieces]) == 0, words
            if words[1] == "train":
                let_run_sound(tmp_path / "run")
            ran += 1
    assert ran >= 6


def test_what_the_readme_has_several_processes_do_is_said_in_commands():
    """They run in frames/test_replicas.py; here they are parsed."""
    launched = [words[words.index("-m") + 1 :] for words in commands() if words[0] == "torchrun"]
    assert len(launched) == 2
    long = [words for words in commands() if words[0] == "nextbar" and words[1] in LONG]
    for words in launched + long:
        assert words[0] == "nextbar"
        app.parse_args(words[1:], exit_on_error=False, print_error=False)


def test_the_python_of_the_readme_runs(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-midi-files").symlink_to(trained / "tunes")
    monkeypatch.setitem(nextbar.PRESETS, "default", Preset(config=nextbar.Config(**TINY)))
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "new.mid").stat().st_size > 0


def test_the_commands_of_the_demo_are_commands():
    for _, command in DEMO:
        words = shlex.split(command.format(out="demo"))
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_every_file_the_readme_shows_is_there():
    for path in re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r'src="([^"]+)"', README):
        assert (ROOT / path).exists(), path
