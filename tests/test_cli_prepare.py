"""The commands that make corpora: prepare with its shards, merge, and inspect."""

import json
from dataclasses import fields
from typing import get_type_hints

import nextbar
from nextbar import CorpusOptions
from nextbar.cli import main
from nextbar.music import summary
from nextbar.music.options import OptionsGiven

from .fixtures import write_tunes

COUNTS = ("files_taken", "files_refused", "refused", "pieces", "bars", "pairs", "bars_in")


def test_shards_are_merged_and_a_corpus_tells_its_counts_as_json(tmp_path, capsys):
    tunes = write_tunes(tmp_path / "tunes", 5)
    (tunes / "broken.mid").write_bytes(b"broken")
    parts = [tmp_path / "part1", tmp_path / "part2"]
    for i, part in enumerate(parts, start=1):
        words = ["prepare", tunes, "--out", part, "--shard", f"{i}/2"]
        assert main(list(map(str, words))) == 0
    assert main(["merge", *map(str, parts), "--out", str(tmp_path / "corpus")]) == 0
    said = capsys.readouterr().out
    assert "advice: Only 25 pairs of bars: expect copying; add files." in said
    assert (tmp_path / "corpus" / "prepare-report.html").is_file()
    assert main(["inspect", str(tmp_path / "corpus"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [facts[name] for name in COUNTS] == [
        5, 1, {"not a MIDI file": 1}, 5, 30, 25, {"4/4": 30},
    ]  # fmt: skip


def test_the_page_of_a_corpus_is_written_unless_it_is_not_wanted_and_the_summary_made_once(
    tmp_path, capsys, monkeypatch
):
    tunes = str(write_tunes(tmp_path / "tunes", 3))
    made = []
    summarise = summary.summarise
    monkeypatch.setattr(summary, "summarise", lambda c: made.append(c) or summarise(c))
    for words, has_page in ([], True), (["--no-page"], False):
        assert main(["prepare", tunes, "--out", str(tmp_path / "corpus"), *words]) == 0
        assert (tmp_path / "corpus" / "prepare-report.html").is_file() is has_page
        assert ("look: " in capsys.readouterr().out) is has_page
    assert len(made) == 2  # one for each corpus, shown on the screen and on the page
    assert nextbar.prepare(tunes, tmp_path / "mine", shard="1/1")
    assert (tmp_path / "mine" / "prepare-report.html").is_file()
    for words, has_page in ([], True), (["--no-page"], False):
        out = tmp_path / f"merged{has_page}"
        assert main(["merge", str(tmp_path / "mine"), "--out", str(out), *words]) == 0
        assert (out / "prepare-report.html").is_file() is has_page


def test_each_option_of_a_corpus_is_one_of_the_command_with_its_explanation_and_default(capsys):
    assert main(["prepare", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for option in fields(CorpusOptions):
        assert f" --{option.name.replace('_', '-')} " in said
        has_default = option.default is not None and option.default is not False
        default = f" [default: {option.default}]" if has_default else " "
        assert option.metadata["help"] + default in said


def test_type_checkers_are_told_of_the_very_options_that_there_are():
    assert get_type_hints(OptionsGiven) == get_type_hints(CorpusOptions)


def test_options_come_from_the_command_line_as_they_do_from_python(tmp_path):
    tunes = write_tunes(tmp_path / "tunes", 3)
    words = ["--track", "1", "--no-onsets", "--augment", "2", "--duplicates", "keep"]
    assert main(["prepare", str(tunes), "--out", str(tmp_path / "corpus"), *words]) == 0
    made_with = json.loads((tmp_path / "corpus" / "manifest.json").read_text())["options"]
    chosen = {"track": 1, "onsets": False, "augment": 2, "duplicates": "keep"}
    expected = {option.name: option.default for option in fields(CorpusOptions)} | chosen
    assert made_with == {**expected, "common_key": False}  # no common key where it is augmented
