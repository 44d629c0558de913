"""generate, evaluate, verify: from a model to music, and what it is worth."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import nextbar
from nextbar import screen
from nextbar.screen import console


def generate(
    run: Path | None = None,
    /,
    *,
    out: Path,
    pieces: int = 10,
    bars: int = 16,
    from_bar: str = "noise",
    between: tuple[str, str] | None = None,
    track: str = "all",
    temperature: float | None = None,
    follow: float | None = None,
    choose: float | None = None,
    repeat: float | None = None,
    threshold: float | None = None,
    tempo: float | None = None,
    metre: str | None = None,
    density: float | None = None,
    register: str | None = None,
    chords: str = "",
    no_copies: Annotated[bool, Parameter(negative=())] = False,
    strictness: int | None = None,
    seed: int = 0,
    wav: bool | None = None,
    pictures: bool = True,
    musicxml: bool = False,
    device: str = "auto",
) -> None:
    """Write new music with a trained model: MIDI, WAV and piano-roll pictures.

    The same command writes the same files.

    Examples: nextbar generate --out music, or
    nextbar generate run --out music --from-bar mytune.mid:8 --bars 16, or
    nextbar generate run --out music --between mytune.mid:8 mytune.mid:12 --bars 3

    Parameters
    ----------
    run
        A folder made by `nextbar train`, a file MODEL.nextbar, or the name of a model that comes
        with nextbar: fiddle, which is taken without one, piano or chorales.
    out
        The folder to write to.
    pieces
        How many pieces; piece i has the seed SEED + i.
    bars
        How many bars the model writes in each; given bars come in front of them.
    from_bar
        noise: begin from nothing. held-out, or training: from a bar drawn from those tunes of
        the corpus. FILE.mid: continue that file behind its last bar; FILE.mid:8 behind bar 8;
        FILE.abc#2:4 behind bar 4 of tune 2 of a file of several. Its tempo, metre and instrument
        are kept.
    between
        Two bars that those written stand between: what is gone on from, as above, and what they
        lead to, FILE.mid:k, whose bars from there on stand behind them. Needs a model that reads
        ahead, as those of the presets default and small do.
    track
        Of that file: all but drums, the number of a track that has notes, or a part of its name.
    temperature
        How far each bar strays from the likeliest: 0 not at all, 1 as in training. By default
        what the run's configuration says.
    follow
        How closely each bar follows those before it: 1 as the model has learned, 0 not at all.
    choose
        How much the model's discriminator of phrases decides which of 16 bars drawn side by side is
        taken: 1 by its odds of being real, 0 not at all, which is faster where many pieces are
        written. By default 1 where there is one.
    repeat
        How readily whole bars come again as they stand: 1 as the model has learned, 0 never, 2 at
        twice the odds. By default what the run's configuration says, mostly half: in a piece
        that goes on for long what has come again comes again.
    threshold
        The loudness, 0-1, from which a note is heard: lower gives more notes. By default a third
        of what is usual in the corpus; a model of sparse frames decides for itself.
    tempo
        In quarters a minute, from 10 to 1,000; by default that of the file gone on from, else what
        is usual in the corpus.
    metre
        Of the written bars, as 6/8, of those that the model knows; by default that of the bar gone
        on from, else the most frequent.
    density
        How many notes a bar is to have: of 16 that are drawn the nearest is taken.
    register
        How high the bars are to lie: their mean pitch, as C4 or 60; chosen as for density.
    chords
        What each bar keeps to, in turn and from the first again: "C Am F G7", or notes as C,E,G;
        N is any. Nothing else is written. Needs the extra folk.
    no_copies
        No written bar, and no phrase of two, is one of the training tunes in any key: such a bar
        is drawn again, and what cannot be drawn is left out and counted. Silence, a single note
        and what stands in 10 tunes or more are free. nextbar verify checks it anew.
    strictness
        Of no-copies: 1, whole bars and phrases; 2, nor any bar that differs in one note only.
    seed
        Decides everything that is random.
    wav
        Write a WAV of each piece too; by default where the extra audio is installed.
    pictures
        Write a picture of each piece, and one of all of them.
    musicxml
        Write each piece as notation too, for MuseScore and the like; it needs the extra folk.
    device
        auto, cpu, cuda, mps, ...
    """
    with screen.progress_bar(console, "writing") as update:
        paths = nextbar.generate(
            run,
            out,
            pieces=pieces,
            bars=bars,
            from_bar=from_bar,
            density=density,
            register=register,
            chords=chords,
            between=between,
            track=track,
            temperature=temperature,
            follow=follow,
            choose=choose,
            repeat=repeat,
            threshold=threshold,
            tempo=tempo,
            metre=metre,
            no_copies=no_copies,
            strictness=strictness,
            seed=seed,
            wav=wav,
            pictures=pictures,
            musicxml=musicxml,
            device=device,
            progress=lambda now: update(now.n_done, now.n_pieces, now.path.name),
            say=lambda sentence: screen.say(console, sentence),
        )
    from nextbar.writing.folder import SHEET

    picture = f"\nlook:   {out / SHEET}" if pictures else ""
    screen.say(
        console,
        f"wrote {len(paths)} pieces\nfirst:  {paths[0]}{picture}\n"
        f"next:   nextbar evaluate {shlex.quote(str(out))}",
    )


def evaluate(
    folder: Path,
    /,
    *,
    reference: Path | None = None,
    training: Path | None = None,
    out: Path | None = None,
    bars: int | None = None,
    classifiers: bool = False,
    seed: int = 0,
) -> None:
    """Measure a folder of MIDI files beside real music and chance.

    Good is near real and away from chance.

    Example: nextbar evaluate music --reference corpus --out report

    Parameters
    ----------
    folder
        Any folder of MIDI files, not only of nextbar's.
    reference
        A corpus, whose held-out tunes are the real music, or a folder of MIDI files. For pieces
        of nextbar the corpus of their run, if not given.
    training
        A corpus in whose training tunes copies are looked for; the reference's, if not given.
    out
        A folder to write report.json, pieces.csv, report.html and its pictures to.
    bars
        How many bars of each piece are measured; by default as many as keep the most music.
    classifiers
        Ask networks too how well they tell these pieces from real ones; give them 1,000 pieces
        and more. Takes some minutes, where all else takes seconds.
    seed
        Decides the chance row, the intervals and the networks.
    """
    report = nextbar.evaluate(
        folder,
        reference=reference,
        training=training,
        out=out,
        bars=bars,
        classifiers=classifiers,
        seed=seed,
    )
    console.print(screen.report_table(report))
    screen.show_meanings(console, report)
    for note in report.notes:
        screen.say(console, f"note: {note}")
    if out is not None:
        screen.say(console, f"look:   {out / 'report.html'}")


def verify(
    *files: Path,
    training: Path | None = None,
    strictness: int = 1,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Tell which bars of music files are copies of training tunes, in any key.

    Ends with exit code 1 where there are copies, or a file cannot be read.

    Example: nextbar verify music --training run

    Parameters
    ----------
    files
        Music files, or folders of them. Bars that a piece of nextbar went on from are not judged.
    training
        A corpus, a run, a model that somebody sent, or the name of one that comes with nextbar;
        by default the usual one of these.
    strictness
        1, whole bars and phrases of two; 2, bars that differ in one note only, too.
    as_json
        Print the certificate as JSON: each bar's verdict, and the training bar nearest to it
        where the corpus is at hand.
    """
    certificate = nextbar.verify(list(files), training, strictness=strictness)
    if as_json:
        sys.stdout.write(json.dumps(certificate.to_json(), indent=2) + "\n")
    else:
        screen.show_certificate(console, certificate)
    n_failed = sum(not each.is_passed for each in certificate.files)
    if n_failed:
        raise nextbar.CopiedError(
            f"{n_failed} of {len(certificate.files)} files did not pass; nextbar generate "
            "--no-copies writes what does"
        )
