"""The commands that make corpora: prepare with its shards, merge, and inspect."""

import json

from nextbar.cli import main

from .fixtures import write_tunes

COUNTS = ("files_taken", "files_refused", "refused", "pieces", "bars", "pairs", "metres")


def test_shards_are_merged_and_a_corpus_tells_its_counts_as_json(tmp_path, capsys):
    tunes = write_tunes(tmp_path / "tunes", 5)
    (tunes / "broken.mid").write_bytes(b"broken")
    parts = [tmp_path / "part1", tmp_path / "part2"]
    for i, part in enumerate(parts, start=1):
        words = ["prepare", tunes, "--out", part, "--metre", "4/4", "--shard", f"{i}/2"]
        assert main(list(map(str, words))) == 0
    assert main(["merge", *map(str, parts), "--out", str(tmp_path / "corpus")]) == 0
    said = capsys.readouterr().out
    assert "advice: Only 25 pairs of bars: expect copying; add files." in said
    assert (tmp_path / "corpus" / "prepare-report.html").is_file()
    assert main(["inspect", str(tmp_path / "corpus"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [facts[name] for name in COUNTS] == [
        5, 1, {"not a MIDI file": 1}, 5, 30, 25, {"4/4": 5},
    ]  # fmt: skip


def test_a_shard_without_a_metre_says_what_to_do(tmp_path, capsys):
    tunes = write_tunes(tmp_path / "tunes", 2)
    words = ["prepare", str(tunes), "--out", str(tmp_path / "part"), "--shard", "1/2"]
    assert main(words) == 2
    assert "a shard cannot know which metre dominates; choose one with --metre" in (
        capsys.readouterr().err
    )
