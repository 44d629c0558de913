"""The command line: what was typed -> the API -> the screen. Nothing is decided here.

Exit codes: 0, done; 1, failed, and a sentence says why; 2, the command itself
makes no sense; 130, interrupted.
"""

import json
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, get_type_hints

import cyclopts
from cyclopts import App, Parameter
from rich.console import Console

import nextbar
from nextbar import screen
from nextbar.errors import ConfigError, NextbarError, UsageError
from nextbar.frames.config import Config
from nextbar.jam.command import jam
from nextbar.music.manifest import REPORT
from nextbar.music.options import CorpusOptions
from nextbar.music.public_data import COLLECTIONS
from nextbar.studio.command import studio

if TYPE_CHECKING:
    from nextbar.music.corpus import Corpus
    from nextbar.music.options import OptionsGiven

app = App(
    name="nextbar",
    version=lambda: nextbar.__version__,
    help_format="plaintext",
    help="Train on your own MIDI files, and write new music bar by bar.\n\n"
    "Begin with `nextbar demo`, or with your own files: prepare, train, generate, evaluate.",
)
console = Console()


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """Makes a command of a function, each paragraph of its docstring as wide as the screen."""
    assert function.__doc__
    function.__doc__ = re.sub(
        r"(?m)^( *)[^\s-].*(?:\n\1[^\s-].*)+",
        lambda paragraph: paragraph[1] + " ".join(paragraph[0].split()),
        function.__doc__,
    )
    return app.command(function)


def _as_keywords(of: type, group: str, *, show_defaults: bool) -> Any:
    """A TypedDict of a record's settings, which cyclopts makes options of."""
    hints = get_type_hints(of)
    options = {}
    for each in fields(of):
        shown = show_defaults and each.default is not None and each.default is not False
        options[each.name] = Annotated[
            hints[each.name],
            Parameter(
                help=each.metadata["help"] + (f" [default: {each.default}]" if shown else ""),
                group=group,
                consume_multiple=True,
                negative_iterable=(),
            ),
        ]
    return TypedDict(f"{of.__name__}Given", options, total=False)  # type: ignore[operator]


if TYPE_CHECKING:
    ConfigGiven = dict[str, Any]
    CorpusGiven = OptionsGiven
else:
    from_preset = "Configuration (a preset's values where not given)"
    ConfigGiven = _as_keywords(Config, from_preset, show_defaults=False)
    CorpusGiven = _as_keywords(CorpusOptions, "The corpus", show_defaults=True)


@_command
def fetch(
    collection: str = "nottingham", /, *, out: Path | None = None, source: str | None = None
) -> None:
    """Download a public collection of music: nottingham, the paper's data, or chopin, for piano.

    What is there already and complete is not downloaded again.

    Parameters
    ----------
    collection
        Its name.
    out
        The folder for its files; by default one of that name.
    source
        Another URL, or a zip archive that was downloaded by other means. It is checked just the
        same.
    """
    with screen.progress_bar(console, f"downloading {collection}") as update:
        folder = nextbar.fetch(
            collection,
            out,
            source=source,
            progress=lambda done, total: update(done, max(done, total), f"{done:,} bytes"),
        )
    fetched = COLLECTIONS[collection]
    terms = f"terms:  {fetched.terms}\n" if fetched.terms else ""
    words = f"nextbar prepare {shlex.quote(str(folder))} --out CORPUS {fetched.prepare}"
    screen.say(
        console,
        f"{len(list(folder.iterdir()))} files: {folder}\n{terms}next:   {words.rstrip()}",
    )


@_command
def prepare(
    folder: str,
    /,
    *,
    out: Path,
    workers: int | None = None,
    shard: str | None = None,
    page: bool = True,
    options: Annotated[CorpusGiven | None, Parameter(name="*")] = None,
) -> None:
    """Make a corpus of bars from a folder of MIDI, ABC and MusicXML files.

    Says how many files were taken, and why any was refused, what the music is like, and what
    that means for training; prepare-report.html in the corpus shows it all. Run again, it reads
    only what is new.

    Example: nextbar prepare my-midi-files --out corpus

    Parameters
    ----------
    folder
        The folder, searched with its subfolders and the zip archives in them; or one zip
        archive; or music21:NAME for a collection that an installed music21 brings along, as
        music21:ryansMammoth.
    out
        The folder to write the corpus to.
    workers
        Processes that read files; as many as there are cores, if not given.
    shard
        Read one part of the files only, as 2/8: machines share the work, and nextbar merge
        makes one corpus of the parts.
    page
        Write prepare-report.html too.
    options
        How the corpus is made.
    """
    with screen.progress_bar(console, "reading") as update:
        corpus = nextbar.prepare(
            folder,
            out,
            workers=workers,
            shard=shard,
            page=page,
            report=lambda now: update(now.n_done, now.n_files, f"{now.n_pieces} pieces"),
            **(options or {}),
        )
    _show_corpus(corpus, out)


def _show_corpus(corpus: "Corpus", out: Path) -> None:
    screen.show_refusals(console, corpus.refused(), str(out / "refused.jsonl"))
    manifest = corpus.manifest
    screen.show_corpus(console, corpus)
    page = f"look:   {out / REPORT}\n" if (out / REPORT).exists() else ""
    screen.say(
        console,
        f"{manifest['files_taken']} files taken, {manifest['files_refused']} refused: "
        f"{manifest['pieces']} pieces, {manifest['bars']} bars, {manifest['pairs']} pairs of "
        f"consecutive bars\ncorpus: {out}\n"
        f"{page}next:   nextbar train {shlex.quote(str(out))} --out RUN",
    )


@_command
def merge(*shards: Path, out: Path, page: bool = True) -> None:
    """Make one corpus of the parts that nextbar prepare --shard has made.

    It is the very corpus that one run over all files would have made.

    Example: nextbar merge part1 part2 --out corpus

    Parameters
    ----------
    shards
        The corpora of all parts, 1/N to N/N, in any order.
    out
        The folder to write the corpus to.
    page
        Write prepare-report.html too.
    """
    with screen.progress_bar(console, "merging") as update:
        corpus = nextbar.merge(
            list(shards),
            out,
            page=page,
            report=lambda now: update(now.n_done, now.n_files, f"{now.n_pieces} pieces"),
        )
    _show_corpus(corpus, out)


@_command
def train(
    corpus: Path,
    /,
    *,
    out: Path,
    preset: str | None = None,
    config: Path | None = None,
    device: str = "auto",
    devices: int | None = None,
    precision: Literal["float32", "bfloat16"] | None = None,
    checkpoint_epochs: int = 1,
    sample_epochs: int = 5,
    overrides: Annotated[ConfigGiven | None, Parameter(name="*")] = None,
) -> None:
    """Train a model on a corpus; a run that exists is continued.

    Ctrl-C stops with a checkpoint; the same command goes on from there.

    Example: nextbar train corpus --out run

    Parameters
    ----------
    corpus
        A folder made by `nextbar prepare`.
    out
        The folder of the run, new or to be continued.
    preset
        Where the configuration starts from: default, small (the same in fewer epochs) or paper.
    config
        A JSON or TOML file of configuration fields.
    device
        auto, cpu, cuda, mps, ...
    devices
        Processes that train together on this machine, one a device; under torchrun or SLURM as
        many as that has started.
    precision
        What networks compute in; by default what the run was begun with, at first bfloat16 where
        the processor has it.
    checkpoint_epochs
        Epochs between two checkpoints.
    sample_epochs
        Epochs between two pictures of what the model writes.
    overrides
        Fields of the configuration, by name.
    """
    chosen = {**_read_config(config), **(overrides or {})}
    with screen.progress_bar(console, "training") as update:
        run = nextbar.train(
            corpus,
            out,
            preset=preset,
            config=chosen,
            device=device,
            devices=devices,
            precision=precision,
            checkpoint_epochs=checkpoint_epochs,
            sample_epochs=sample_epochs,
            progress=screen.training_progress(console, update),
            phrase_progress=screen.phrase_progress(update),
        )
    if not run.is_first:
        return
    screen.say(
        console,
        f"trained {run.epoch} epochs\nrun:    {out}\n"
        f"next:   nextbar generate {shlex.quote(str(out))} --out FOLDER",
    )


def _read_config(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    import tomllib

    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is neither JSON nor TOML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f'{path}: holds no configuration fields, like {{"epochs": 20}}')
    return values


@_command
def adapt(
    base: Path,
    folder: Path,
    /,
    *,
    out: Path,
    track: str = "all",
    share: float | None = None,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Make a model write like a few files of yours, in minutes: 1 to 50 of them.

    It stops by itself, by what a held-back piece costs. Ctrl-C stops with a checkpoint; the same
    command goes on from there. The base stays as it is.

    Example: nextbar adapt fiddle my-five-tunes --out mine

    Parameters
    ----------
    base
        A run, a model that was exported, or the name of one that comes with nextbar.
    folder
        A folder of music files. They are read with the base's grid, key and metres.
    out
        The folder of the run, new or to be continued.
    track
        Of the files: all but drums, melody, the number of a track that has notes, or a part of
        its name.
    share
        How much of what was learned is taken, from 0, the base, to 1, all; by default as much as
        leaves the base's own style as it was, nearly.
    seed
        Decides everything that is random.
    device
        auto, cpu, cuda, mps, ...
    """
    with screen.progress_bar(console, "adapting") as update:
        run = nextbar.adapt(
            base,
            folder,
            out,
            track=track,
            share=share,
            seed=seed,
            device=device,
            progress=screen.training_progress(console, update),
            say=lambda sentence: screen.say(console, sentence),
        )
    screen.say(
        console,
        f"run:    {run.path}\n"
        f"next:   nextbar generate {shlex.quote(str(out))} --out FOLDER --no-copies",
    )


@_command
def mix(base: Path, adapted: Path, /, *, out: Path, share: float = 0.5) -> None:
    """Make a model between a base and what was adapted from it: so much of the one, so much of
    the other.

    Example: nextbar mix fiddle mine --share 0.5 --out half

    Parameters
    ----------
    base
        What was adapted: a run, a model that was exported, or the name of one that comes along.
    adapted
        The folder that nextbar adapt made of it.
    out
        The folder to write to, which must not exist.
    share
        How much of the adapted one: 0 is the base, 1 the adapted one.
    """
    folder = nextbar.mix(base, adapted, out, share=share)
    screen.say(
        console,
        f"model:  {folder}\nnext:   nextbar generate {shlex.quote(str(folder))} --out FOLDER",
    )


@_command
def export(run: Path, /, *, out: Path | None = None, web: Path | None = None) -> None:
    """Make a small copy of a trained model, or a web page on which it composes, to give away.

    The copy writes, but cannot be trained on. Fingerprints of its training bars go along:
    whoever has it can ask for no copies. A name that ends in .nextbar makes one file of it, which
    every command opens in the place of a run. The page needs no server: see docs/web.md.

    Example: nextbar export run --out my-model.nextbar

    Example: nextbar export run --web my-page

    Parameters
    ----------
    run
        A folder made by `nextbar train`, a file MODEL.nextbar, or the name of a model that comes
        with nextbar.
    out
        The file (MODEL.nextbar) or the folder to write the copy to, which must not exist.
    web
        The folder to write the page to, which must not exist; any web host can serve it.
    """
    if out is None and web is None:
        raise UsageError(
            "export: say where to: --out MODEL.nextbar for a copy, --web FOLDER for a page"
        )
    if out is not None:
        _export_copy(run, out)
    if web is not None:
        folder = nextbar.export_web(run, web)
        screen.say(
            console,
            f"page:   {folder}, {_megabytes(folder):.1f} MB\n"
            f"look:   python -m http.server --directory {shlex.quote(str(folder))}",
        )


def _export_copy(run: Path, out: Path) -> None:
    made = nextbar.export(run, out)
    from nextbar.measures.fingerprints import FILE
    from nextbar.shipped import find_run

    if not (find_run(made) / FILE).exists():
        screen.say(
            console,
            "without fingerprints: the corpus is not at hand, so nobody can ask this model for no "
            "copies; export it where its corpus is",
            style="yellow",
        )
    screen.say(
        console,
        f"model:  {made}, {_megabytes(made):.1f} MB\n"
        f"next:   nextbar generate {shlex.quote(str(made))} --out FOLDER",
    )


def _megabytes(made: Path) -> float:
    files = [made] if made.is_file() else [each for each in made.rglob("*") if each.is_file()]
    return sum(path.stat().st_size for path in files) / 1e6


@_command
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
        with nextbar: fiddle, which is taken without one, or chorales.
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


@_command
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


@_command
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


@_command
def inspect(
    path: Path, /, *, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False
) -> None:
    """Show what a corpus or a run is, what it was made from, and how it went.

    Parameters
    ----------
    path
        A folder made by `nextbar prepare` or `nextbar train`.
    as_json
        Print everything as JSON.
    """
    facts = nextbar.inspect(path)
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        screen.show_facts(console, facts)


@_command
def doctor(*, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> None:
    """Show what is there on this machine, and what to do about what is missing.

    Ends with exit code 1 where nothing works without it.

    Parameters
    ----------
    as_json
        Print everything as JSON.
    """
    from nextbar.doctor import facts, to_json

    found = facts(Path.cwd())
    if as_json:
        sys.stdout.write(json.dumps(to_json(found), indent=2) + "\n")
    else:
        for fact in found:
            screen.say(console, f"{fact.what:12} {fact.found}")
            if fact.advice:
                screen.say(console, f"{'':12} -> {fact.advice}", style="yellow")
    needed = [fact.what for fact in found if fact.is_needed]
    if needed:
        raise NextbarError(f"{', '.join(needed)}: see above; nothing works without it")


@_command
def reproduce(
    out: Path,
    /,
    *,
    data: Path | None = None,
    pieces: int = 2500,
    device: str = "auto",
    devices: int | None = None,
    overrides: Annotated[ConfigGiven | None, Parameter(name="*")] = None,
) -> None:
    """Repeat the experiment of the paper, from its data to its table and figures.

    What is done already is not done again; Ctrl-C stops, and the same command goes on. Give fewer
    epochs for a first look.

    Example: nextbar reproduce reproduction --epochs 10

    Parameters
    ----------
    out
        The folder for all of it.
    data
        A folder with the 524 MIDI files; by default they are downloaded.
    pieces
        How many by each of the two testing models.
    device
        auto, cpu, cuda, mps, ...
    devices
        Processes that train together on this machine, one a device.
    overrides
        Fields of the configuration, by name. The paper has 300 epochs; a run that exists goes on
        up to the number given.
    """
    with screen.progress_bar(console, "training") as update:
        done = nextbar.reproduce(
            out,
            data=data,
            pieces=pieces,
            device=device,
            devices=devices,
            train_progress=screen.training_progress(console, update),
            say=lambda sentence: screen.say(console, sentence, style="bold"),
            **(overrides or {}),
        )
    if done is None:
        return
    console.print(screen.text_table(f"after {done.epoch} epochs", done.table))
    screen.say(console, f"figures, table, first ten pieces: {done.folder}")


SAMPLING = "--pieces 8"
DEMO = (
    ("Real folk tunes, which the package music21 brings along, become a corpus of bars.",
     "prepare music21:ryansMammoth --out {out}/corpus"),
    ("A small model learns from every bar what the next one is like.",
     "train {out}/corpus --out {out}/run --preset small"),
    ("It goes on from real bars of tunes it has never seen ...",
     "generate {out}/run --out {out}/music --from-bar held-out --bars 7 " + SAMPLING),
    ("... and begins from nothing.",
     "generate {out}/run --out {out}/music --bars 8 " + SAMPLING),
    ("How good is that? Beside real tunes, and beside chance:",
     "evaluate {out}/music"),
)  # fmt: skip


@_command
def demo(*, out: Path = Path("demo")) -> None:
    """From real folk tunes to new music, in a few minutes: each command is shown as it runs.

    Parameters
    ----------
    out
        The folder for all that is made.
    """
    from nextbar.writing.folder import SHEET

    for sentence, command in DEMO:
        words = [word.format(out=out) for word in command.split()]
        screen.say(console, f"\n{sentence}", style="bold")
        screen.say(console, f"$ nextbar {shlex.join(words)}", style="cyan")
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
    screen.say(
        console,
        f"\nListen: the .wav files in {out / 'music'} (held-out-*: the first bar is real; "
        f"noise-*: all is new)\nLook:   {out / 'music' / SHEET}\nUse:    the .mid files open in "
        "any music program\n\nTry next:\n"
        f"  nextbar generate {out / 'run'} --out more --from-bar YOUR_FILE.mid --bars 16\n"
        f"  nextbar generate {out / 'run'} --out more --temperature 1 --seed 100\n"
        "  nextbar prepare YOUR_MIDI_FOLDER --out corpus",
    )


_command(studio)
_command(jam)


def main(words: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    try:
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except cyclopts.CycloptsError as error:
        return _fail(str(error), 2)
    except UsageError as error:
        return _fail(str(error), 2)
    except NextbarError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("interrupted; what was finished is kept, the same command goes on", 130)
    return 0


def _fail(message: str, code: int) -> int:
    screen.say(Console(stderr=True), f"nextbar: {message}", style="red")
    return code
