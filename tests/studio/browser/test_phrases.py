"""Several bars as a phrase: copied, repeated, moved, taken out; and the bars of other models."""

import pytest


def kinds(page):
    """o for a bar of the musician's, w for a written one, g for a given one."""
    return page.page.evaluate(
        "studio.state.piece.bars.map((b) => (b.given ? 'g' : b.own ? 'o' : 'w')).join('')"
    )


def test_bars_are_repeated_moved_copied_and_deleted_as_they_sound(page):
    page.compose(bars=4)
    one, two, three, four = (sorted(bar) for bar in page.bars())

    def now():
        page.settled()
        return [sorted(bar) for bar in page.bars()]

    page.choose(2, 3)
    assert page.page.inner_text("#bar-title") == "Bars 2 to 3"
    page.phrase("repeat")
    assert page.page.inner_text("#bar-title") == "Bars 4 to 5"
    assert len(now()) == 6
    names = page.page.evaluate("studio.state.piece.bars.map((bar) => bar.name)")
    assert names[1:3] == names[3:5]
    page.page.click("#undo")
    assert now() == [one, two, three, four]
    page.choose(1)
    page.page.keyboard.press("Control+c")
    page.choose(4)
    page.page.keyboard.press("Control+v")
    assert len(now()) == 5
    page.page.keyboard.press("Delete")
    assert len(now()) == 4
    page.choose(4)
    page.page.keyboard.press("Alt+ArrowLeft")
    names_moved = page.page.evaluate("studio.state.piece.bars.map((bar) => bar.name)")
    assert names_moved == [names[0], names[1], names[5], names[2]]
    assert page.page.inner_text("#bar-title") == "Bar 3"
    assert kinds(page) == "wwww"


@pytest.mark.slow
def test_an_empty_bar_is_put_in_and_filled_and_what_is_locked_stays(page):
    page.compose(bars=3)
    page.choose(1, 3)
    page.page.click("#lock")
    before = page.bars()
    page.choose(2)
    page.phrase("insert")
    page.settled()
    assert kinds(page) == "wwow"
    assert page.page.inner_text("#roll-again") == "Fill"
    assert "Empty" in page.page.inner_text("#bar-facts")
    page.page.click("#roll-again")
    page.until("!studio.writing.isBusy && !studio.state.piece.bars[2].own")
    assert kinds(page) == "wwww"
    assert [page.page.evaluate(f"studio.state.isLocked({bar})") for bar in range(4)] == [
        True, True, False, True,
    ]  # fmt: skip
    assert page.bars()[:2] == before[:2]


@pytest.mark.slow
def test_a_bar_left_empty_between_drawn_ones_is_filled(page):
    page.draw(bars=2)
    page.drag((0, 60), (3, 60))
    page.drag((16, 64), (19, 64))
    page.choose(1)
    page.phrase("insert")
    page.settled()
    assert page.page.inner_text("#bar-title") == "Bar 2"
    assert page.page.inner_text("#roll-again") == "Fill"
    page.page.click("#roll-again")
    page.until("studio.state.piece.bars[1].name && !studio.writing.isBusy")
    page.idle()
    assert kinds(page) == "owo"
    assert [page.bars()[0], page.bars()[2]] == [[[0, 4, 60]], [[0, 4, 64]]]


@pytest.mark.slow
def test_several_bars_are_rolled_again_and_those_behind_them_stay(page):
    page.compose(bars=5)
    names = "studio.state.piece.bars.map((bar) => bar.name)"
    before = page.page.evaluate(names)
    page.choose(2, 3)
    page.page.click("#roll-again")
    page.until(f"({names})[1] !== '{before[1]}' && !studio.writing.isBusy")
    page.idle()
    after = page.page.evaluate(names)
    same = [a == b for a, b in zip(before, after, strict=True)]
    assert same == [True, False, False, True, True]
    assert page.page.evaluate("studio.state.piece.recipe.locked") == []


@pytest.mark.slow
def test_a_bar_is_varied_to_one_near_it(page):
    page.compose(bars=2)
    page.choose(2)
    page.page.click("#vary")
    page.until("'share' in studio.state.piece.bars[1].recipe && !studio.writing.isBusy")
    assert "38 % of the way" in page.page.inner_text("#bar-facts")  # three steps of eight


@pytest.mark.slow
def test_bars_are_chosen_by_dragging_over_their_numbers(page):
    page.compose(bars=6)
    buttons = page.page.locator("#ruler button")
    first, last = buttons.nth(1).bounding_box(), buttons.nth(4).bounding_box()
    page.page.mouse.move(first["x"] + 10, first["y"] + 10)
    page.page.mouse.down()
    page.page.mouse.move(last["x"] + 10, last["y"] + 10, steps=4)
    page.page.mouse.up()
    assert page.page.inner_text("#bar-title") == "Bars 2 to 5"
    page.phrase("only")
    page.settled()
    assert len(page.bars()) == 4


@pytest.mark.slow
def test_bars_that_are_added_are_in_the_metre_that_is_chosen(page_of_two):
    page_of_two.compose(bars=2)
    page_of_two.page.select_option("#metre", "6/8")
    page_of_two.page.click("#more")
    page_of_two.until("studio.state.nWritten === 6 && !studio.writing.isBusy")
    assert page_of_two.metres() == ["4/4"] * 2 + ["6/8"] * 4
    page_of_two.choose(1)
    page_of_two.phrase("insert")
    page_of_two.settled()
    assert page_of_two.metres()[:3] == ["4/4", "6/8", "4/4"]
