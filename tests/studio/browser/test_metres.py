"""The page with a run of two metres: bars of two widths, and which is composed next."""

import io
from itertools import pairwise

import mido
import pytest

from ...music.midi_files import midi, signature, track
from ..conftest import eighths
from ..speaking import signatures


def compose(page, bars=2, metre="6/8", seed=1):
    """So many bars of a metre."""
    page.page.select_option("#metre", metre)
    page.compose(bars=bars, seed=seed)


def add_four(page, metre):
    """Four more bars of a metre."""
    n_bars = page.page.evaluate("studio.state.nWritten")
    page.page.select_option("#metre", metre)
    page.page.click("#more")
    page.until(f"studio.state.nWritten === {n_bars + 4}")
    page.idle()


def notes_of(data):
    """(step, steps, pitch) of each note of a MIDI file, by mido; 120 ticks are a sixteenth."""
    found, open_notes = [], {}
    for each in mido.MidiFile(file=io.BytesIO(data)).tracks:
        now = 0
        for message in each:
            now += message.time
            if message.type == "note_on" and message.velocity:
                open_notes[message.note] = now
            elif message.type in ("note_on", "note_off"):
                start = open_notes.pop(message.note)
                found.append([start // 120, (now - start) // 120, message.note])
    return sorted(found)


def test_a_run_of_one_metre_has_no_choice_of_it_and_no_name_for_it(page):
    page.compose(bars=2)
    assert page.page.locator("#metre-control").is_hidden()
    assert page.page.evaluate("studio.roll.metreNames") == ["", ""]
    page.choose(1)
    assert page.page.inner_text("#bar-title") == "Bar 1"


def test_the_metres_that_a_run_knows_can_be_chosen_and_say_how_much_of_them_it_has_seen(
    page_of_two,
):
    assert page_of_two.page.locator("#metre option").all_inner_texts() == [
        "goes on as before",
        "4/4: 200 bars",
        "6/8: 48 bars, little known",
    ]
    assert page_of_two.page.input_value("#metre") == ""
    page_of_two.silence()
    page_of_two.compose(bars=1)
    assert page_of_two.metres() == ["4/4"]  # from silence the most frequent


def test_bars_of_two_metres_have_their_widths_lines_and_names(page_of_two):
    compose(page_of_two)
    add_four(page_of_two, "4/4")
    assert page_of_two.metres() == ["6/8"] * 2 + ["4/4"] * 4
    roll = page_of_two.page.evaluate(
        """() => {
          const { metreNames: names, lines, stepWidth: step } = studio.roll;
          const steps = (kind) => lines.filter((l) => l.kind === kind).map((l) => l.step);
          return { names, bars: steps('bar'), beats: steps('beat'), step };
        }"""
    )
    assert roll["names"] == ["6/8", "", "4/4", "", "", ""]
    assert roll["bars"] == [0, 12, 24, 40, 56, 72, 88]
    # a dotted quarter is 6 sixteenths, a quarter 4
    assert roll["beats"][:5] == [6, 18, 28, 32, 36]
    buttons = "[...document.querySelectorAll('#ruler button')]"
    lefts, widths = (
        page_of_two.page.evaluate(f"{buttons}.map((button) => parseFloat(button.style.{side}))")
        for side in ("left", "width")
    )
    apart = [b - a for a, b in pairwise(lefts)]
    assert apart == pytest.approx([n * roll["step"] for n in (12, 12, 16, 16, 16)], abs=0.01)
    wide = [n * roll["step"] - 2 for n in (12, 12, 16, 16, 16, 16)]
    assert widths == pytest.approx(wide, abs=0.01)
    labels = page_of_two.page.locator("#ruler button").all()
    assert "in 4/4 from here" in labels[2].get_attribute("aria-label")
    assert "from here" not in labels[3].get_attribute("aria-label")


@pytest.mark.slow
def test_lines_are_painted_where_bars_begin(page_of_two):
    compose(page_of_two)
    add_four(page_of_two, "4/4")
    # The colour of a bar's line, between the notes, in the pixels of a column.
    lines = page_of_two.page.evaluate(
        """() => {
          const { roll } = studio, pen = roll.canvas.getContext('2d');
          return [6, 12, 16, 24, 32, 36, 40, 48, 88].filter((step) => {
            const { data } = pen.getImageData(Math.round(roll.xOf(step)), 0, 1, roll.canvas.height);
            const column = [...new Uint32Array(data.buffer)];
            return column.filter((pixel) => pixel === 0xffc0bab4).length > 20;
          });
        }"""
    )
    assert lines == [12, 24, 40, 88]


def test_a_piece_in_two_metres_is_shown_and_taken_away_as_one(page_of_two):
    compose(page_of_two, bars=3)
    add_four(page_of_two, "4/4")
    page_of_two.page.keyboard.press("d")
    highest = page_of_two.page.evaluate("studio.roll.pitches[1]")
    page_of_two.drag((34, highest), (38, highest))  # over the bar line at which the metre changes
    page_of_two.settled()
    data = page_of_two.taken("mid")
    assert signatures(data) == [(0, "6/8"), (3 * 1440, "4/4")]
    shown = page_of_two.page.evaluate(
        "studio.roll.notes.map(({ start, duration, pitch }) => [start, duration, pitch])"
    )
    assert sorted(shown) == notes_of(data)
    assert [34, 5, highest] in shown


def test_a_bar_that_is_rolled_again_keeps_its_metre_and_so_does_all_after_a_reload(page_of_two):
    compose(page_of_two)
    add_four(page_of_two, "4/4")
    before, metres = page_of_two.bars(), page_of_two.metres()
    page_of_two.choose(2)
    assert page_of_two.page.inner_text("#bar-title") == "Bar 2, 6/8"
    page_of_two.page.click("#roll-again")
    page_of_two.idle()
    after = page_of_two.bars()
    same = [a == b for a, b in zip(before, after, strict=True)]
    assert same == [True, False, True, True, True, True]
    assert page_of_two.metres() == metres
    page_of_two.page.reload()
    page_of_two.until("globalThis.studio?.state.nWritten === 6")
    page_of_two.idle()
    assert (page_of_two.bars(), page_of_two.metres()) == (after, metres)
    assert page_of_two.page.evaluate("studio.roll.starts") == [0, 12, 24, 40, 56, 72, 88]


def test_another_metre_is_of_what_is_composed_next_and_remakes_nothing(page_of_two):
    compose(page_of_two, bars=4)
    before = page_of_two.bars()
    page_of_two.page.select_option("#metre", "4/4")
    page_of_two.set("temperature", 0)
    page_of_two.idle()
    assert (page_of_two.bars(), page_of_two.metres()) == (before, ["6/8"] * 4)
    width = page_of_two.page.evaluate("studio.roll.stepWidth")
    page_of_two.press_compose()
    assert page_of_two.metres() == ["4/4"] * 4
    # four bars of 64 steps in the room that 48 had
    assert page_of_two.page.evaluate("studio.roll.stepWidth") == pytest.approx(width * 48 / 64)
    page_of_two.page.click("#undo")
    assert page_of_two.bars() == before
    assert page_of_two.page.evaluate("studio.roll.stepWidth") == width
    page_of_two.page.click("#redo")
    add_four(page_of_two, "")
    assert page_of_two.metres() == ["4/4"] * 8


@pytest.mark.slow
def test_a_bar_is_played_from_where_it_begins_to_where_it_ends(page_of_two):
    compose(page_of_two)
    add_four(page_of_two, "4/4")
    page_of_two.choose(3)
    page_of_two.page.select_option("#repeat", "bar")
    page_of_two.page.click("#play")
    page_of_two.until("studio.sound.playing")
    sound = page_of_two.page.evaluate("[studio.sound.from, studio.sound.to, studio.sound.origin]")
    assert sound == [24, 40, 24]
    page_of_two.page.select_option("#repeat", "piece")
    page_of_two.until("studio.sound.playing && studio.sound.from === 0")
    assert page_of_two.page.evaluate("studio.sound.to") == 88
    page_of_two.page.click("#play")


@pytest.mark.slow
def test_only_bars_of_one_metre_are_offered_for_a_blend(page_of_two):
    compose(page_of_two)
    add_four(page_of_two, "4/4")
    page_of_two.choose(4)
    page_of_two.page.click("#blend")
    page_of_two.idle()
    offered = page_of_two.page.locator("#candidates select").first.locator("option")
    assert offered.all_inner_texts() == ["bar 3", "bar 4", "bar 5", "bar 6"]


def test_notes_are_drawn_into_bars_of_the_chosen_metre_and_gone_on_from_in_it(page_of_two):
    page_of_two.page.select_option("#metre", "6/8")
    page_of_two.draw(bars=2)
    assert page_of_two.page.evaluate("studio.roll.starts") == [0, 12, 24]
    # an eighth to the right of the start, three eighths, and one in the second bar
    for presses in (1, 2, 4):
        for _ in range(presses):
            page_of_two.page.keyboard.press("ArrowRight")
        page_of_two.page.keyboard.press("Enter")
    drawn = [[[2, 2, 60], [6, 2, 60]], [[2, 2, 60]]]
    page_of_two.compose(bars=2)
    assert page_of_two.metres() == ["6/8"] * 4
    assert page_of_two.bars()[:2] == drawn
    page_of_two.page.select_option("#metre", "4/4")  # what was drawn stays as it is
    page_of_two.page.fill("#seed", "7")
    page_of_two.press_compose()
    assert page_of_two.metres() == ["6/8", "6/8", "4/4", "4/4"]
    assert page_of_two.bars()[:2] == drawn


def test_a_file_is_gone_on_from_where_the_model_knows_its_metre_and_it_is_said_where_not(
    page_of_two,
):
    page_of_two.upload(eighths(((6, 8), 2), ((4, 4), 1), ((5, 8), 4)))
    says = page_of_two.page.inner_text("#file-says")
    assert says == "own.mid: the model does not know 5/8; it can go on from bars 1 to 3"
    assert page_of_two.metres() == ["6/8", "6/8", "4/4", "5/8", "5/8", "5/8", "5/8"]
    page_of_two.page.click("#compose")
    assert page_of_two.toast() == (
        "Bar 7 is in 5/8, which the model does not know; select bar 3, and press “Go on from here”."
    )
    page_of_two.choose(3)
    page_of_two.phrase("end")
    page_of_two.choose(3)
    page_of_two.phrase("only")
    page_of_two.compose(bars=1)
    assert page_of_two.metres() == ["4/4", "4/4"]
    # the third bar's eighths, from its own beginning: those that follow twelve of 6/8
    pitches = [55 + i % 5 for i in range(12, 20)]
    assert page_of_two.bars()[0] == [[2 * i, 2, pitch] for i, pitch in enumerate(pitches)]


@pytest.mark.slow
def test_a_piece_that_goes_on_from_two_metres_opens_again_as_it_is(page_of_two, tmp_path):
    page_of_two.upload(eighths(((4, 4), 1), ((6, 8), 2)))
    page_of_two.compose(bars=1)
    assert page_of_two.metres() == ["4/4", "6/8", "6/8", "6/8"]
    bars = page_of_two.bars()
    (tmp_path / "mine.json").write_bytes(page_of_two.taken("recipe"))
    page_of_two.page.evaluate("localStorage.clear(), sessionStorage.clear()")
    page_of_two.page.reload()
    page_of_two.ready()
    page_of_two.page.set_input_files("#open-recipe", tmp_path / "mine.json")
    page_of_two.until("studio.state.piece?.bars.length === 4")
    assert page_of_two.bars() == bars
    page_of_two.compose(bars=2)  # behind the given bars
    assert page_of_two.metres() == ["4/4", *["6/8"] * 4]
    assert page_of_two.bars()[:3] == bars[:3]


def test_a_tune_of_a_book_is_chosen(page_of_two):
    parts = []
    for name, metre, pitch in (("jig", (6, 8), 60), ("odd", (5, 4), 62), ("reel", (4, 4), 64)):
        part = track([(i * 480, 480, pitch, 90) for i in range(12)], name=name)
        part.insert(0, signature(*metre))
        parts.append(part)
    book = bytearray(midi(*parts))
    book[9] = 2  # type 2: each track is a tune of its own
    page_of_two.upload(bytes(book), name="book.mid")
    assert "book.mid, tune 1 of 3: 4 bars" in page_of_two.page.inner_text("#file-name")
    assert page_of_two.page.locator("#file-tune option").all_inner_texts() == ["1 jig", "3 reel"]
    page_of_two.page.select_option("#file-tune", "3")
    page_of_two.until("document.querySelector('#file-name').textContent.includes('tune 3 of 3')")
    assert page_of_two.page.locator("#file-tune option").count() == 2
    page_of_two.until("studio.state.nGiven === 3")  # 12 quarters
    page_of_two.page.select_option("#file-track", "1")
    page_of_two.until("!studio.writing.isBusy && studio.beginnings.upload.tracks.length")
    page_of_two.compose(bars=1)
    assert page_of_two.bars()[0] == [[4 * i, 4, 64] for i in range(4)]
    page_of_two.upload(eighths(((4, 4), 1)))
    page_of_two.until("document.querySelector('#file-name').textContent.startsWith('own.mid')")
    assert page_of_two.page.locator("#file-tune").is_hidden()


@pytest.mark.slow
def test_a_training_tune_in_another_metre_is_gone_on_from(page_of_two):
    page_of_two.page.click("#new-tune")
    page_of_two.page.fill("#tune-search", "05")
    page_of_two.until("document.querySelectorAll('#tune-list option').length === 1")
    page_of_two.page.select_option("#tune-list", index=0)
    page_of_two.until("studio.sound.playing")
    assert page_of_two.page.evaluate("studio.sound.to") == 12 * 12  # bars of 6/8
    page_of_two.compose(bars=1)
    assert page_of_two.metres() == ["6/8"] * 13


@pytest.mark.slow
def test_what_was_kept_before_bars_had_widths_of_their_own_is_still_shown(page_of_two):
    compose(page_of_two)
    page_of_two.keep()
    page_of_two.page.click("#keeping-open")
    page_of_two.page.evaluate(
        """() => {
          const [kept] = JSON.parse(localStorage.getItem('nextbar-studio-tray'));
          const bars = kept.bars.map(({ notes, given }) => ({ notes, given }));
          const { id, ...old } = { ...kept, bars, nSteps: 12 };
          localStorage.setItem('nextbar-studio-tray', JSON.stringify([old, kept]));
        }"""
    )
    page_of_two.page.reload()
    page_of_two.until("document.querySelectorAll('#tray canvas').length === 2")
    page_of_two.until("globalThis.studio?.state.nWritten === 2")
    page_of_two.page.click("#keeping-open")
    page_of_two.page.evaluate("studio.keeping.showTray()")  # as wide as they are shown
    old, new = page_of_two.page.evaluate(
        "[...document.querySelectorAll('#tray canvas')].map((canvas) => canvas.toDataURL())"
    )
    assert old == new
    blank = "Object.assign(document.createElement('canvas'), {width: 74, height: 34}).toDataURL()"
    assert new != page_of_two.page.evaluate(blank)


@pytest.mark.slow
def test_a_piece_beside_which_no_real_passage_stands_says_so(page_of_two):
    page_of_two.silence()
    page_of_two.compose(bars=2)
    page_of_two.page.click("#keeping-open")
    page_of_two.page.locator(".measure svg").first.wait_for()
    assert page_of_two.page.locator("#measures-alone").is_hidden()
    add_four(page_of_two, "6/8")
    page_of_two.page.locator("#measures-alone").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["page_of_two", "phone_of_two"])
def test_an_automated_check_finds_no_barrier_in_two_metres(kind, request):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs [dev]")
    page = request.getfixturevalue(kind)
    page.upload(eighths(((6, 8), 1), ((5, 8), 1)))
    page.choose(1)
    page.phrase("end")
    page.compose(bars=2)
    with page.panel("making"):
        add_four(page, "4/4")
    page.choose(2)
    assert page.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = axe.Axe().run(page.page).response["violations"]
    assert [(v["id"], [n["html"][:90] for n in v["nodes"]]) for v in found] == []
