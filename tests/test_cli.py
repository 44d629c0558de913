"""The command line: exit codes, sentences instead of tracebacks, the same words as in Python."""

import json
import os
import subprocess
import sys

import pytest

import nextbar
from nextbar.cli import main

from .fixtures import TINY, write_tune, write_tunes

SMALL = [
    "--encoder-channels", "8", "8", "--generator-channels", "8", "8", "--latent", "4",
    "--epochs", "1",
]  # fmt: skip
"""What makes the default train in a second."""


@pytest.fixture
def run_cli(capsys, monkeypatch):
    """Runs a command; gives its exit code and all it printed, on one line."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words):
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, " ".join((captured.out + captured.err).split())

    return run


def test_prepare_says_what_was_taken_and_names_every_file_refused_with_its_reason(
    run_cli, tmp_path
):
    write_tunes(tmp_path / "tunes", 3)
    (tmp_path / "tunes" / "broken.mid").write_bytes(b"nothing")
    (tmp_path / "tunes" / "empty.mid").write_bytes(b"")
    code, said = run_cli("prepare", tmp_path / "tunes", "--out", tmp_path / "corpus")
    assert code == 0
    assert "3 files taken, 2 refused: 3 pieces, 18 bars, 15 pairs of consecutive bars" in said
    assert "refused broken.mid: it does not begin with MThd" in said
    assert "refused empty.mid: it has no content" in said
    assert "next: nextbar train" in said


def test_what_is_gone_on_from_is_said_before_and_a_wav_that_cannot_be_made_at_the_end(
    run_cli, trained, tmp_path
):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    tune = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mid")  # no UTF-8
    try:
        os.rename(write_tune(tmp_path / "tune.mid", n_bars=2), tune)
    except OSError:
        pytest.skip("this disk takes no such names")
    words = ["generate", trained / "run", "--out", tmp_path / "m", "--from-bar", f"{tune}:2"]
    code, said = run_cli(*words, "--pieces", 2, "--bars", 79, "--tempo", 10)
    # 81 bars of 4 quarters of 6 s
    no_wav = "2 of 2 pieces have no WAV: this music lasts 1,944 s; sound is made for up to 1,800 s"
    assert code == 0
    assert said.index(r"caf\xe9.mid: goes on behind bar 2 of 2, at 120") < said.index("writing")
    assert said.index("writing") < said.index(no_wav) < said.index("wrote 2 pieces")
    assert "--no-wav" in said
    suffixes = sorted(path.suffix for path in (tmp_path / "m").iterdir())
    assert suffixes == [".json", ".mid", ".mid", ".png", ".png", ".png"]
    _, said = run_cli(*words, "--pieces", 1, "--tempo", 9)
    assert "tempo: 9 is not between 10 and 1,000 quarters a minute" in said


def test_very_many_refusals_for_one_reason_are_summed_up(run_cli, tmp_path):
    write_tunes(tmp_path / "tunes", 2)
    for number in range(30):
        (tmp_path / "tunes" / f"broken{number:02}.mid").write_bytes(b"nothing %d" % number)
    _, said = run_cli("prepare", tmp_path / "tunes", "--out", tmp_path / "corpus")
    assert "refused 30 tunes: not a MIDI file; the first: broken00.mid" in said
    assert "refused.jsonl" in said


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["prepare", "nowhere", "--out", "c"], 1, "nowhere does not exist; check the path"),
        (["prepare", "empty", "--out", "c"], 1, "empty"),
        (["prepare", "text", "--out", "c"], 1, "no MIDI (.mid, .midi) or ABC (.abc) files"),
        (["prepare", "tunes", "--out", "text"], 1, "text"),
        (["prepare", "tunes"], 2, "--out"),
        (["prepare", "tunes", "--out", "c", "--grid", "hours"], 2, "Choose from"),
        (["prepare", "tunes", "--out", "c", "--metre", "4"], 2, "metre"),
        (["prepare", "music21:nothing", "--out", "c"], 1, "music21"),
        (["train", "nowhere", "--out", "r"], 1, "nowhere does not exist; make a corpus"),
        (["train", "tunes", "--out", "r"], 1, "tunes is no corpus"),
        (["train", "corpus", "--out", "text", "--batch", "8"], 1, "exists and is not a run"),
        (["train", "corpus", "--out", "r", "--epoch", "2"], 2, "Did you mean --epochs?"),
        (["train", "corpus", "--out", "r", "--epochs", "-2"], 2, "epochs: -2 is not between"),
        (["train", "corpus", "--out", "r", "--epochs", "two"], 2, "epochs"),
        (["train", "corpus", "--out", "r", "--preset", "smal"], 2, "did you mean 'small'?"),
        (["train", "corpus", "--out", "r", "--config", "wrong.json"], 2, "did you mean 'epochs'?"),
        (["train", "corpus", "--out", "r", "--config", "tunes/tune00.mid"], 2, "nor TOML"),
        (["train", "corpus", "--out", "r", "--config", "nowhere.json"], 2, "cannot be read"),
        (["train", "corpus", "--out", "r", "--batch", "60000"], 2, "more than the"),
        (["generate", "nowhere", "--out", "m"], 1, "is not a run: there is no such folder"),
        (["generate", "corpus", "--out", "m"], 1, "is not a run: it has no run.json"),
        (["generate", "run", "--out", "m", "--pieces", "0"], 2, "pieces: 0 is not between"),
        (["generate", "run", "--out", "m", "--from-bar", "x.mid"], 2, "no such file"),
        (["generate", "run", "--out", "m", "--from-bar", "tunes/tune00.mid:99"], 2, "no bar 99"),
        (["generate", "run", "--out", "text/a.txt"], 1, "could not be written"),
        (["evaluate", "empty"], 2, "no MIDI or ABC files"),
        (["evaluate", "tunes", "--reference", "nowhere"], 2, "there is no such corpus or folder"),
        (["evaluate", "tunes", "--training", "tunes"], 1, "is no corpus"),
        (["inspect", "empty"], 2, "is neither; give a corpus"),
        (["compose"], 2, "Unknown command"),
    ],
)  # fmt: skip
def test_mistakes_get_a_sentence_and_an_exit_code(
    run_cli, trained, tmp_path, monkeypatch, words, code, says
):
    for name in ("tunes", "corpus", "run"):
        (tmp_path / name).symlink_to(trained / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("a")
    (tmp_path / "wrong.json").write_text('{"epoch": 3}')
    monkeypatch.chdir(tmp_path)
    got, said = run_cli(*words)
    assert got == code, said
    assert said.startswith("nextbar: ")
    assert says in said
    assert "Traceback" not in said
    assert not (tmp_path / "c").exists()
    assert not (tmp_path / "r").exists()
    assert not (tmp_path / "m").exists()
    assert (tmp_path / "text" / "a.txt").read_text() == "a"


def test_train_takes_a_config_file_and_fields_over_it(run_cli, trained, tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({**TINY, "epochs": 5}))
    (tmp_path / "c.toml").write_text("\n".join(f"{k} = {json.dumps(v)}" for k, v in TINY.items()))
    for name in ("c.json", "c.toml"):
        out = tmp_path / f"run-{name}"
        code, said = run_cli(
            "train", trained / "corpus", "--out", out, "--config", tmp_path / name, "--epochs", 1,
            "--preset", "paper", "--precision", "float32",
        )  # fmt: skip
        assert code == 0, said
        assert "trained 1 epochs" in said
        expected = {**nextbar.inspect(trained / "run")["config"], "epochs": 1}
        assert nextbar.inspect(out)["config"] == expected


def test_generate_and_evaluate_say_where_things_are_and_print_the_table(run_cli, trained, tmp_path):
    code, said = run_cli(
        "generate", trained / "run", "--out", tmp_path / "m", "--pieces", 2, "--bars", 3,
        "--from-bar", "held-out", "--no-wav",
    )  # fmt: skip
    assert code == 0, said
    assert "wrote 2 pieces" in said
    assert "look:" in said
    code, said = run_cli("evaluate", tmp_path / "m")
    assert code == 0, said
    for word in ("generated", "real", "chance", "scale", "note:"):
        assert word in said


def test_inspect_shows_the_same_facts_as_words_and_as_json(run_cli, trained, capsys):
    code, said = run_cli("inspect", trained / "corpus")
    assert code == 0
    assert "pairs 60" in said
    main(["inspect", str(trained / "corpus"), "--json"])
    facts = json.loads(capsys.readouterr().out)
    for name in ("files_taken", "files_refused", "refused", "pieces", "bars", "pairs", "metres"):
        assert name in facts
    assert facts["pairs"] == 60  # 12 tunes of 6 bars


def test_inspecting_a_run_shows_its_configuration_origin_and_epochs(run_cli, trained):
    code, said = run_cli("inspect", trained / "run")
    assert code == 0
    for words in ("latent 4", "fingerprint", "how it went", "reconstruction", "epoch 2"):
        assert words in said


def test_lines_to_be_copied_are_not_broken_by_a_narrow_screen(
    capsys, monkeypatch, trained, tmp_path
):
    monkeypatch.setenv("COLUMNS", "20")
    assert main(["generate", str(trained / "run"), "--out", str(tmp_path), "--no-wav"]) == 0
    assert f"next:   nextbar evaluate {tmp_path}" in capsys.readouterr().out.splitlines()


def test_help_teaches_every_command_and_every_field(run_cli):
    code, said = run_cli("--help")
    assert code == 0
    for command in ("prepare", "train", "generate", "evaluate", "inspect", "demo"):
        assert command in said
        assert run_cli(command, "--help")[0] == 0
    _, said = run_cli("train", "--help")
    assert "--learning-rate" in said
    assert "Adam's learning rate for encoder and generator" in said


def test_help_mistakes_and_inspecting_load_neither_pytorch_nor_a_reader_of_music(trained):
    said_by = {
        "--help": "Open a page in the browser",
        "--version": nextbar.__version__,
        "train --help": "--learning-rate",
        "prepare --help": "--held-out-every",
        "studio --help": "--port",
        "compose": "Unknown command",
        "generate --pieces many --out m": "Invalid value for --pieces",
        "train corpus --out r --epoch 2": "Did you mean --epochs?",
        "studio nowhere": "is not a run",
        f"inspect {trained / 'corpus'}": "pairs",
        f"inspect {trained / 'run'}": "how it went",
        "inspect nowhere": "does not exist",
    }
    code = f"""
import sys
from nextbar.cli import main
for words in {list(said_by)!r}:
    print("$", words, flush=True)
    main(words.split())
    for heavy in ("torch", "symusic", "matplotlib", "music21", "pooch", "requests", "fastapi"):
        assert heavy not in sys.modules, words
"""
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    for words, said in zip(said_by, done.stdout.split("$ ")[1:], strict=True):
        assert said_by[words] in said, said


def test_an_output_folder_that_may_not_be_written_is_said(run_cli, trained, tmp_path):
    (tmp_path / "file").write_text("")
    code, said = run_cli("generate", trained / "run", "--out", tmp_path / "file" / "m", "--no-wav")
    assert code == 1
    assert "could not be written" in said


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a full disk to try")
def test_a_full_disk_leaves_nothing_half_written(trained, tmp_path):
    # A file size limit is what a process can be given of a full disk.
    code = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
from nextbar.cli import main
sys.exit(main(["train", {str(trained / "corpus")!r}, "--out", {str(tmp_path / "run")!r},
               "--batch", "8", *{SMALL}]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    left = sorted(path.name for path in (tmp_path / "run").iterdir())
    whole = {"history.jsonl", "run.json", "events", "losses.png"}
    assert {"run.json"} <= set(left) <= whole


def test_a_folder_of_one_tune_works_from_end_to_end(run_cli, tmp_path):
    write_tune(tmp_path / "tunes" / "only.mid", n_bars=12)
    assert run_cli("prepare", tmp_path / "tunes", "--out", tmp_path / "c")[0] == 0
    code, said = run_cli("train", tmp_path / "c", "--out", tmp_path / "r", "--batch", 4, *SMALL)
    assert code == 0, said
    code, said = run_cli("generate", tmp_path / "r", "--out", tmp_path / "m", "--from-bar",
                         "held-out", "--no-wav")  # fmt: skip
    assert code == 1
    assert "has no held-out bar that sounds" in said
