"""A model in the page, without a server: the same music as in Python, note for note."""

import base64
import hashlib
import json
import random
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import mido
import numpy as np
import pytest
import symusic

import nextbar
from nextbar.frames.config import Sampling
from nextbar.music.bars import NOTE
from nextbar.music.score import midi_bytes, to_score
from nextbar.studio import uploads
from nextbar.studio.desk import Desk
from nextbar.writing.bar_by_bar import WrittenBar, write_bars
from nextbar.writing.piece import Before, Draw

from ...music.midi_files import midi, signature, track
from ...shared_data import shared_data
from .conftest import NARROW, WIDE, Page


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def _hosted(folder):
    """The folder behind a plain web server, as anybody has one; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def sites(tmp_path_factory):
    """The folder with three pages, each in a folder of its own."""
    place = tmp_path_factory.mktemp("sites")
    for name in ("fiddle", "piano", "chorales"):
        nextbar.export_web(name, place / name)
    return place


@pytest.fixture(scope="session")
def host(sites):
    with _hosted(sites) as address:
        yield address


@pytest.fixture
def web(chromium, host):
    """The page with the fiddle model; it may not have had an error."""
    opened = Page(chromium, f"{host}/fiddle/", **WIDE)
    yield opened
    opened.context.close()
    assert opened.errors == []


@pytest.fixture(scope="module")
def engine(chromium, host):
    """Runs JavaScript beside the page's engine, on an empty page of the same host."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{host}/fiddle/manifest.webmanifest")

    def run(body, *values):
        return page.evaluate(f"async (values) => {{ {body} }}", list(values))

    yield run
    context.close()


@pytest.fixture(scope="session")
def desks(sites):
    """The models that the pages have, in Python."""
    return {name: Desk(sites / name / "model", name) for name in ("fiddle", "piano", "chorales")}


WRITE = """
const [name, seeds, nBars, metre, choose, how, isPlain] = values;
const { Model } = await import("/fiddle/inpage/model.js");
const { Kind } = await import("/fiddle/inpage/bars.js");
const { digest } = await import("/fiddle/inpage/digest.js");
const run = await (await fetch(`/${name}/model/run.json`)).json();
const bytes = await (await fetch(`/${name}/model/checkpoint.safetensors`)).arrayBuffer();
const model = new Model(bytes, run, { isPlain });
const width = new Kind(run.origin.corpus).widthOf(metre);
return seeds.map((seed) => {
  const bars = [];
  for (let position = 0; position < nBars; position++) {
    const before = bars.length ? bars : null;
    bars.push(model.write({ seed, position, ...how, choose, before }, width));
  }
  return digest(Uint8Array.from(bars.flatMap(({ roll }) => [...roll])));
});
"""
"""The digest of the rolls of each seed's bars."""


def written(composer, seeds, n_bars, metre, choose, how):
    """The same in Python."""
    from nextbar.frames.rollout import roll_out
    from nextbar.writing.hearing import hear, kinds_of

    metres = [[tuple(map(int, metre.split("/")))] * n_bars] * len(seeds)
    frames = roll_out(
        composer.model,
        None,
        n_frames=n_bars,
        seeds=seeds,
        sampling=Sampling(**how, choose=choose),
        perceive=lambda drawn: hear(drawn, composer.threshold),
        kinds=kinds_of(composer.kind, [], metres),
    )
    rolls = (frames * 127).round().numpy().astype(np.uint8)
    return [hashlib.sha256(each.tobytes()).hexdigest() for each in rolls]


USUAL = {"temperature": 0.95, "follow": 1.0}


def test_chance_is_numpys_to_the_bit(engine):
    # Of [7, 3] number 220,846 tells a layer of the ziggurat that is narrower by one in 2^23.
    keys, n = [[0], [7, 3], [2**40 + 5], [5, 3, 7, 1], [123456, 16, 1, 2, 3]], 250_000
    drawn = engine(
        """
        const { Generator } = await import("/fiddle/inpage/random.js");
        const { digest } = await import("/fiddle/inpage/digest.js");
        const [keys, n] = values;
        return keys.map((key) => {
          const [one, other] = [new Generator(key), new Generator(key)];
          const normals = Float32Array.from({ length: n }, () => one.normal());
          const gumbels = Float32Array.from({ length: 1_000 }, () => other.gumbel());
          return [digest(normals.buffer), [...gumbels]];
        });
        """,
        keys,
        n,
    )
    for key, (normals, gumbels) in zip(keys, drawn, strict=True):
        expected = np.random.default_rng(key).standard_normal(n, np.float32)
        assert normals == hashlib.sha256(expected.tobytes()).hexdigest(), key
        assert abs(expected).max() > 3.66  # the ziggurat's tail is among them
        expected = np.random.default_rng(key).gumbel(size=1_000).astype(np.float32)
        assert np.array_equal(np.array(gumbels, np.float32), expected), key


def test_digests_are_those_of_sha_256(engine):
    texts = ["", "a", "x" * 55, "x" * 56, "x" * 64, "é" * 1000]
    found = engine(
        'const { digest } = await import("/fiddle/inpage/digest.js");return values[0].map(digest);',
        texts,
    )
    assert found == [hashlib.sha256(text.encode()).hexdigest() for text in texts]


@pytest.mark.parametrize(
    ("name", "metre", "choose", "how"),
    [
        ("fiddle", "2/4", 1.0, USUAL),
        ("fiddle", "6/8", 0.0, USUAL),
        ("fiddle", "9/8", 1.0, {"temperature": 1.3, "follow": 0.5}),
        ("fiddle", "4/4", 0.5, {"temperature": 0.0, "follow": 1.0}),
        ("piano", "4/4", 1.0, USUAL),
        ("chorales", "4/4", 1.0, USUAL),
        ("chorales", "3/4", 0.0, {"temperature": 1.0, "follow": 0.0}),
    ],
)
def test_a_seed_gives_the_notes_that_it_gives_in_python(engine, desks, name, metre, choose, how):
    seeds = list(range(10, 16))  # of 3 a loudness of the fiddle lies at an edge: see below
    found = engine(WRITE, name, seeds, 5, metre, choose, how, False)
    assert found == written(desks[name].composer, seeds, 5, metre, choose, how)
    assert len(set(found)) == (len(found) if how["temperature"] else 1)


LATENTS = WRITE.replace(
    "return digest(Uint8Array.from(bars.flatMap(({ roll }) => [...roll])));",
    "return bars.map(({ latent }) => [...latent]);",
)


def test_a_bar_that_comes_again_is_blended_from_what_it_is_in_python(engine, desks):
    composer, sampling = desks["fiddle"].composer, Sampling(**USUAL, choose=1.0)
    (found,) = engine(LATENTS, "fiddle", [11], 8, "2/4", 1.0, USUAL, False)
    bars: list[WrittenBar] = []
    for position, latent in enumerate(found):
        rolls = np.stack([bar.roll for bar in bars]) if bars else None
        before = None if rolls is None else Before(rolls, ((2, 4),) * len(bars))
        (bar,) = write_bars(composer, [before], [Draw(11, position, sampling, (2, 4))])
        assert np.allclose(bar.latent, latent, atol=2e-3), position
        bars.append(bar)
    again = [
        any(np.array_equal(bar.roll, each.roll) for each in bars[:n]) for n, bar in enumerate(bars)
    ]
    assert any(again)
    assert not all(again[1:])


def test_without_simd_the_notes_are_the_same(engine):
    args = ([1], 2, "2/4", 1.0, USUAL)
    found = engine(WRITE, "fiddle", *args, True)
    assert found == engine(WRITE, "fiddle", *args, False)


def test_a_model_with_a_part_that_the_page_does_not_know_is_refused(engine):
    said = engine(
        """
        const { Model } = await import("/fiddle/inpage/model.js");
        const run = await (await fetch("/fiddle/model/run.json")).json();
        const bytes = await (await fetch("/fiddle/model/checkpoint.safetensors")).arrayBuffer();
        const size = Number(new DataView(bytes).getBigUint64(0, true));
        const header = new Uint8Array(bytes, 8, size);
        const text = new TextDecoder().decode(header)
          .replaceAll("exported.posterior", "exported.somewhere");
        header.set(new TextEncoder().encode(text));
        try { new Model(bytes, run); } catch (error) { return error.message; }
        """
    )
    assert "has a part that the page does not know" in said


@pytest.mark.slow
@pytest.mark.parametrize(("name", "metre"), [("fiddle", "2/4"), ("chorales", "4/4")])
def test_a_thousand_seeds_give_the_notes_that_they_give_in_python(engine, desks, name, metre):
    differ = 0
    for first in range(0, 1000, 50):
        seeds = list(range(first, first + 50))
        found = engine(WRITE, name, seeds, 8, metre, 1.0, USUAL, False)
        expected = written(desks[name].composer, seeds, 8, metre, 1.0, USUAL)
        differ += sum(a != b for a, b in zip(found, expected, strict=True))
    assert differ <= 5  # where a sum lies at an edge, it may round to the other side


# ------------------------------------------------------------------------------- as it is used


def bars_of(shown):
    """The notes of a shown piece's bars, as plain numbers."""
    return [[[int(each) for each in note] for note in bar["notes"]] for bar in shown["bars"]]


def assert_as_in_python(web, desk):
    """The piece on the page is what its recipe gives in Python, bar by bar."""
    piece = web.page.evaluate("studio.state.piece")
    shown = desk.open({"piece": piece["recipe"]})
    assert bars_of(shown) == bars_of(piece)
    for ours, theirs in zip(shown["bars"], piece["bars"], strict=True):
        for key in ("metre", "n_steps", "beat", "given", "name", "own"):
            assert ours.get(key) == theirs.get(key), key
    assert json.loads(json.dumps(shown["recipe"]["made"])) == piece["recipe"]["made"]
    return piece


def work(web, press):
    """Presses something that asks the model, and waits for the new piece."""
    web.page.evaluate("void (globalThis.before = studio.state.piece)")
    press()
    web.until("studio.state.piece !== before && !studio.writing.isBusy && !studio.state.isPreview")


def test_pieces_are_made_and_changed_as_in_the_studio(web, desks):
    desk = desks["fiddle"]
    web.compose(bars=4, seed=5)
    piece = assert_as_in_python(web, desk)
    assert sum(map(len, bars_of(piece))) > 8
    work(web, lambda: web.page.click("#more"))
    assert len(assert_as_in_python(web, desk)["bars"]) == 8
    web.choose(2)
    web.page.click("#lock")
    kept = web.bars()[1]
    web.choose(3)
    work(web, lambda: web.page.click("#roll-again"))  # reads ahead: bar 4 stays
    rolled = assert_as_in_python(web, desk)
    assert rolled["recipe"]["made"][rolled["recipe"]["bars"][2]]["towards"]
    web.press_compose()
    assert_as_in_python(web, desk)
    assert web.bars()[1] == kept
    web.choose(4)
    work(web, lambda: web.page.click("#vary"))
    varied = assert_as_in_python(web, desk)
    assert "share" in varied["recipe"]["made"][varied["recipe"]["bars"][3]]
    with web.panel("making"):
        web.page.select_option("#metre", "6/8")
    work(web, lambda: web.page.click("#more"))
    assert assert_as_in_python(web, desk)["bars"][-1]["n_steps"] == 12
    web.page.click("#undo")
    web.settled()
    assert len(assert_as_in_python(web, desk)["bars"]) == 8


def test_an_answer_to_who_plays_along_is_the_studios_and_waits_for_no_long_piece(web, desks):
    web.compose(bars=2, seed=6)
    found, n_bars = web.page.evaluate(
        """async () => {
          const { nextBar, stream } = await import(new URL("static/api.js", document.baseURI));
          const { recipe } = studio.state.piece;
          const mine = { notes: [[0, 4, 62, 90, false]] };
          const asked = { piece: { ...recipe, bars: [...recipe.bars, mine] }, seed: 8 };
          const long = new AbortController();
          let nBars = 0;
          const done = stream("/api/compose", { piece: recipe, bars: 40, seed: 1 }, long.signal,
            ({ event }) => { nBars += event === "bar"; }).catch(() => {});
          const given = await nextBar(asked, new AbortController().signal);
          long.abort();
          await done;
          return [{ asked, given }, nBars];
        }"""
    )
    assert n_bars < 40
    asked = {**found["asked"], "temperature": None, "follow": None, "metre": None}
    asked["no_copies"] = False
    expected = json.loads(json.dumps(desks["fiddle"].answer(asked)))
    given = found["given"]
    assert bars_of({"bars": [given["bar"]]}) == bars_of({"bars": [expected["bar"]]})
    assert given["bar"]["name"] == expected["bar"]["name"]
    assert (given["made"], given["transposed"]) == (expected["made"], expected["transposed"])
    assert len(given["made"]) == 1


def test_ten_others_are_those_of_the_studio(web, desks):
    web.compose(bars=3, seed=2)
    web.choose(2)
    web.page.click("#alternatives")
    web.until("studio.panel.candidates?.list.length === 10")
    found = web.page.evaluate("studio.panel.candidates.list")
    start = web.page.evaluate("studio.panel.candidates.start.recipe")
    asked = {"piece": start, "bar": 1, "seed": found[0]["recipe"]["seed"], "count": 10}
    expected = desks["fiddle"].alternatives({**asked, **USUAL, "no_copies": False})
    assert bars_of({"bars": found}) == bars_of(expected)
    assert [each["name"] for each in found] == [each["name"] for each in expected["bars"]]


def test_it_goes_on_from_bars_that_are_drawn(web, desks):
    web.draw(bars=2)
    for step, pitch in ((0, 60), (3, 64), (6, 67), (9, 72)):
        web.drag((step, pitch), (step + 1, pitch))
    web.settled()
    assert_as_in_python(web, desks["fiddle"])
    work(web, lambda: web.page.click("#more"))
    piece = assert_as_in_python(web, desks["fiddle"])
    assert [bar["given"] for bar in piece["bars"]] == [True] * 2 + [False] * 4


def test_a_recipe_opens_in_the_studio_and_one_of_the_studio_here(web, desks):
    desk = desks["fiddle"]
    web.compose(bars=3, seed=9)
    recipe = json.loads(web.taken("recipe"))
    assert bars_of(desk.open({"piece": recipe})) == bars_of(web.page.evaluate("studio.state.piece"))
    begun = desk.begin({"notes": [], "bars": 0, "metres": None, "transposed": None, "sound": None})
    *_, last = desk.compose(
        {"piece": begun["recipe"], "bars": 4, "seed": 77, "metre": "6/8"}
        | {"temperature": 1.0, "follow": 0.8, "no_copies": False}
    )
    file = {"name": "piece.json", "mimeType": "application/json"}
    data = json.dumps(last["piece"]["recipe"]).encode()
    with web.panel("keeping"):
        work(web, lambda: web.page.set_input_files("#open-recipe", {**file, "buffer": data}))
    assert bars_of(web.page.evaluate("studio.state.piece")) == bars_of(last["piece"])


def test_the_midi_file_that_is_taken_holds_the_notes(web):
    web.compose(bars=4, seed=3)
    name, data = web.taken_with_name("mid")
    assert name == "nextbar-3.mid"
    file = mido.MidiFile(file=BytesIO(data))
    assert file.ticks_per_beat == 480
    starts = np.cumsum([0, *web.page.evaluate("studio.state.piece.bars.map((b) => b.n_steps)")])
    expected = web.page.evaluate(
        "[...new Set(studio.roll.notes)].map((n) => [n.start, n.duration, n.pitch, n.velocity])"
    )
    score = symusic.Score.from_midi(data)
    (only,) = score.tracks
    found = [[n.time // 120, n.duration // 120, n.pitch, n.velocity] for n in only.notes]
    assert sorted(found) == sorted(expected)
    assert [sum(m.time for m in each) for each in file.tracks] == [120 * starts[-1]] * 2
    signatures = [(s.time, s.numerator, s.denominator) for s in score.time_signatures]
    assert signatures == [(0, 2, 4)]


def test_metres_tempo_instrument_and_name_are_in_the_midi_file(engine):
    data = engine(
        """
        const { midiBytes } = await import("/fiddle/inpage/midi.js");
        const sound = { tempo: 90, program: 73, name: "flûte" };
        const notes = [[0, 4, 60, 80], [4, 4, 60, 90], [16, 12, 72, 1], [28, 2, 21, 127]];
        const metres = ["4/4", "6/8", "6/8", "9/16", "3/32"];
        return [...new Uint8Array(midiBytes({ notes, metres, sound, stepsPerQuarter: 8 }))];
        """
    )
    score = symusic.Score.from_midi(bytes(data))
    assert [(s.time, s.numerator, s.denominator) for s in score.time_signatures] == [
        (0, 4, 4), (3840, 6, 8), (9600, 9, 16), (11760, 3, 32),
    ]  # fmt: skip
    (only,) = score.tracks
    assert (only.name, only.program) == ("flûte", 73)
    assert score.tempos[0].qpm == pytest.approx(90, abs=1e-3)
    assert [(n.time, n.duration, n.pitch, n.velocity) for n in only.notes][:2] == [
        (0, 480, 60, 80), (480, 480, 60, 90),
    ]  # fmt: skip


def test_a_swung_midi_file_of_the_page_has_the_times_of_the_packages(engine):
    notes = [[step, 1, 40 + step, 80] for step in range(60)]
    data = engine(
        """
        const { midiBytes } = await import("/fiddle/inpage/midi.js");
        const notes = [...Array(60).keys()].map((step) => [step, 1, 40 + step, 80]);
        const sound = { tempo: 90, program: 0, name: "", swing: 67 };
        const metres = ["4/4", "6/8", "3/4", "2/2"];
        return [...new Uint8Array(midiBytes({ notes, metres, sound, stepsPerQuarter: 4 }))];
        """
    )
    metres = [(4, 4), (6, 8), (3, 4), (2, 2)]
    made = to_score(np.array([tuple(row) for row in notes], NOTE), metres=metres, swing=67)
    found, expected = symusic.Score.from_midi(bytes(data)).tracks, made.tracks
    times = [[(n.time, n.duration, n.pitch) for n in each[0].notes] for each in (found, expected)]
    assert times[0] == times[1]


def test_it_works_offline_once_it_was_there(chromium, host):
    opened = Page(chromium, f"{host}/fiddle/", **WIDE)
    opened.until("navigator.serviceWorker.controller || true")
    opened.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    opened.context.set_offline(True)
    opened.page.reload()
    opened.ready()
    opened.compose(bars=2, seed=4)
    assert len(opened.bars()) == 2
    assert opened.errors == []
    opened.context.close()


def test_nothing_is_asked_of_anybody_else_and_nothing_is_sent(web, host):
    sent = []
    web.page.on("request", lambda request: sent.append(request.method))
    web.compose(bars=2, seed=1)
    web.upload(midi(track([(480 * i, 480, 60 + i, 80) for i in range(8)])))
    web.page.click("#play")
    web.until("studio.sound.samples !== null")
    assert {url.split("/")[2] for url in web.asked if not url.startswith("blob:")} == {
        host.split("/")[2]
    }
    assert set(sent) <= {"GET"}


def test_it_is_heard(web):
    web.compose(bars=2, seed=1)
    web.until("studio.sound.samples !== null")
    assert web.page.evaluate("studio.sound.samples.duration") == pytest.approx(66, abs=0.1)
    web.page.click("#play")
    web.until("studio.sound.level() > 0.01")


def test_another_instrument_is_there_before_a_long_piece_is(web):
    with web.panel("making"):
        web.page.locator("#bars").fill("64")
    web.until("studio.sound.samples !== null")
    web.page.evaluate("void (globalThis.before = studio.sound.samples)")
    web.page.click("#compose")
    web.until("studio.writing.isBusy")
    web.page.select_option("#instrument", "73")
    web.until("studio.sound.samples !== before")
    assert web.page.evaluate("studio.writing.isBusy")
    web.page.click("#stop")
    web.idle()


def test_what_needs_a_server_is_off_and_says_why(web):
    with web.panel("keeping"):
        for kind in ("wav", "musicxml", "png"):
            assert web.page.is_disabled(f'[data-kind="{kind}"]')
        assert web.page.is_enabled('[data-kind="mid"]')
        said = web.page.inner_text("#keeping")
        assert "in nextbar studio, which makes them" in said
        assert "A piece is measured" in said
        assert "The dot is this piece" not in said
    web.page.click("#new-tune")
    assert "this page has the model alone" in web.page.inner_text("#tune-none")
    web.page.click("#new-file")
    assert "ABC, MusicXML" not in web.page.inner_text("#drop")


def test_a_file_that_cannot_be_read_here_is_refused_with_a_reason(web):
    for name, data, says in [
        ("tune.abc", b"X:1\nK:C\nCDEF|\n", "nextbar studio reads ABC"),
        ("empty.mid", b"", "it has no content"),
        ("text.mid", b"hello, I am no music at all", "it does not begin with MThd"),
    ]:
        web.page.set_input_files("#file", {"name": name, "mimeType": "", "buffer": data})
        assert says in web.toast()
        web.page.click("#toast-close")
    web.errors.clear()


def test_a_piece_of_another_model_is_refused_with_a_reason(web, desks):
    recipe = desks["chorales"].begin(
        {"notes": [], "bars": 0, "metres": None, "transposed": None, "sound": None}
    )["recipe"]
    data = json.dumps(recipe).encode()
    file = {"name": "other.json", "mimeType": "application/json", "buffer": data}
    with web.panel("keeping"):
        web.page.set_input_files("#open-recipe", file)
        assert "another run" in web.toast()


def test_stop_keeps_the_bars_that_are_there(web):
    with web.panel("making"):
        web.page.locator("#bars").fill("64")
    web.page.evaluate("void (globalThis.before = studio.state.piece)")
    web.page.click("#compose")
    web.until("studio.state.isPreview && studio.state.piece.bars.length >= 2")
    web.page.click("#stop")
    web.until("studio.state.piece !== before && !studio.writing.isBusy && !studio.state.isPreview")
    assert 2 <= len(web.bars()) < 64
    web.compose(bars=2, seed=1)  # nothing of it is in the way
    assert len(web.bars()) == 2


def test_a_page_on_a_phone_has_it_all(chromium, host):
    opened = Page(chromium, f"{host}/chorales/", **NARROW)
    opened.compose(bars=2, seed=1)
    assert opened.page.evaluate("studio.state.run.name") == "Chorales"
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert opened.errors == []
    opened.context.close()


# ------------------------------------------------------------------------------- files


READ = """
const { Kind } = await import("/fiddle/inpage/bars.js");
const { readUpload } = await import("/fiddle/inpage/reading.js");
const [kind, name, text, track] = values;
const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
try {
  return readUpload(bytes.buffer, { name, track }, new Kind(kind));
} catch (error) {
  return { error: error.message, isOurs: error.status === 400 };
}
"""
ALIKE = ("notes", "bars", "metres", "starts", "known", "first_bar", "transposed", "cut", "tune")
ALL_METRES = ["4/4", "2/4", "3/4", "6/8", "9/8", "12/8", "3/2", "5/4", "6/4"]


@pytest.fixture(scope="module")
def read(engine, sites):
    """What the page reads of a file, and what the package does: an answer, or {error}."""
    corpus = json.loads((sites / "fiddle/model/run.json").read_text())["origin"]["corpus"]
    kind = {**corpus, "metres": ALL_METRES}

    def both(data, name="tune.mid", chosen="all"):
        here = engine(READ, kind, name, base64.b64encode(data).decode(), chosen)
        asked = {"name": name, "track": chosen, "tune": None, "kind": kind}
        there = json.loads(uploads._answer(json.dumps(asked), data=data))
        return here, there

    return both


def assert_alike(here, there):
    for key in ALIKE:
        assert here.get(key) == there.get(key), key
    assert here["sound"]["tempo"] == pytest.approx(there["sound"]["tempo"], rel=1e-12)
    assert here["sound"]["program"] == there["sound"]["program"]
    ours = [(each["number"], each["notes"]) for each in here["tracks"]]
    assert ours == [(each["number"], each["notes"]) for each in there["tracks"]]


def random_file(number):
    """A MIDI file with what files have: metres that change, pickups, chords, overlaps, drums."""
    rng = random.Random(number)
    tpq = rng.choice([96, 120, 192, 384, 480, 960])
    names = ["4/4", "3/4", "6/8", "2/2", "2/4", "5/4", "9/8", "7/8", "4/2", "3/8", "1/4"]
    metres, time = [], 0
    for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
        numerator, denominator = map(int, rng.choice(names).split("/"))
        metres.append((time, numerator, denominator))
        bar = 4 * tpq * numerator // denominator
        time += bar * rng.randint(1, 6) + rng.choice([0, 0, 0, tpq, tpq // 2])
    file = mido.MidiFile(ticks_per_beat=tpq, type=1)
    first = mido.MidiTrack()
    last = 0
    for when, numerator, denominator in metres:
        first.append(
            mido.MetaMessage(
                "time_signature", numerator=numerator, denominator=denominator, time=when - last
            )
        )
        last = when
    if rng.random() < 0.7:
        first.insert(0, mido.MetaMessage("set_tempo", tempo=rng.randint(200_000, 1_200_000)))
    file.tracks.append(first)
    for channel in rng.sample([0, 1, 2, 9, 15], rng.randint(1, 3)):
        events = [(0, mido.Message("program_change", channel=channel, program=rng.randint(0, 127)))]
        unit = rng.choice([tpq // 4, tpq // 4, tpq // 2, tpq // 3])
        for _ in range(rng.randint(8, 90)):
            begin = unit * rng.randint(0, 120) + rng.choice([0, 0, 0, 1, -1, tpq // 16])
            begin = max(begin, 0)
            length = max(unit * rng.randint(0, 8) - rng.choice([0, 0, 1, 3]), 0)
            pitch, velocity = rng.randint(15, 112), rng.randint(1, 127)
            events.append(
                (begin, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity))
            )
            if rng.random() < 0.98:
                events.append(
                    (begin + length, mido.Message("note_off", channel=channel, note=pitch))
                )
        line, last = mido.MidiTrack(), 0
        for when, message in sorted(events, key=lambda event: event[0]):
            line.append(message.copy(time=when - last))
            last = when
        file.tracks.append(line)
    buffer = BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "numbers", [range(60), pytest.param(range(60, 300), marks=pytest.mark.slow)]
)
def test_any_file_gives_the_notes_that_the_package_reads(read, numbers):
    n_read = 0
    for number in numbers:
        here, there = read(random_file(number))
        if "error" in there:
            assert "error" in here, number
        elif "error" in here:
            assert here["isOurs"], here["error"]
            assert "played freely" in here["error"], (number, here["error"])
        else:
            n_read += 1
            assert_alike(here, there)
    assert n_read > len(numbers) / 2


@pytest.mark.parametrize(
    ("name", "n_files", "least"),
    [
        ("nottingham-1034.zip", 30, 30),
        ("classical-1515.zip", 20, 12),
        pytest.param("nottingham-1034.zip", 100, 100, marks=pytest.mark.slow),
        pytest.param("classical-1515.zip", 200, 140, marks=pytest.mark.slow),
        pytest.param("pop909-455.zip", 20, 0, marks=pytest.mark.slow),
    ],
)
def test_real_files_give_the_notes_that_the_package_reads(read, name, n_files, least):
    with zipfile.ZipFile(shared_data(name)) as archive:
        names = [n for n in archive.namelist() if n.lower().endswith((".mid", ".midi"))]
        chosen = random.Random(1).sample(names, n_files)
        files = {each: archive.read(each) for each in chosen}
    n_read = 0
    for each, data in files.items():
        here, there = read(data, Path(each).name)
        if "error" in here:
            assert "error" in there or "played freely" in here["error"], (each, here)
            if "error" not in there:  # the package estimates the beats of nearly all of these
                continue
        else:
            n_read += 1
            assert_alike(here, there)
    assert n_read >= least


def test_one_track_of_several_can_be_chosen_and_all_is_told(read):
    data = midi(
        mido.MidiTrack([signature(4, 4)]),
        track([(480 * i, 480, 60 + i, 80) for i in range(8)], name="Air"),
        track([(960 * i, 960, 36 + i, 70) for i in range(4)], name="Bass", channel=1),
    )
    for chosen in ("all", "1", "2"):
        here, there = read(data, chosen=chosen)
        assert_alike(here, there)
        assert here["says"] == there["says"]
        assert here["tracks"] == there["tracks"]
    here, _ = read(data, chosen="3")
    assert "no track 3" in here["error"]


def test_notes_on_a_finer_grid_are_moved_and_it_is_said(read):
    triplets = midi(track([(160 * i, 160, 60 + i % 5, 80) for i in range(48)]))
    here, there = read(triplets)
    if "error" not in here:
        assert_alike(here, there)
        assert any("lie between the steps" in sentence for sentence in here["says"])


def test_what_is_written_is_read_again(read):
    notes = np.array([(0, 4, 60, 80), (4, 2, 64, 90), (6, 10, 67, 1), (16, 16, 72, 127)], NOTE)
    here, _ = read(midi_bytes(to_score(notes, tempo=77.0)))
    assert [tuple(note) for note in here["notes"]] == [tuple(note) for note in notes.tolist()]
    assert here["sound"]["tempo"] == pytest.approx(77, abs=1e-3)
