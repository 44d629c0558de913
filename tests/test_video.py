"""The core on what is not music: the example in examples/video, as its reader would use it."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from nextbar.errors import UsageError
from nextbar.frames.config import override
from nextbar.frames.record import read_description, read_progress

EXAMPLE = Path(__file__).parents[1] / "examples" / "video"

pytest.importorskip("imageio", reason="needs the extra `video`")
pytest.importorskip("skimage", reason="needs the extra `video`")


@pytest.fixture(autouse=True)
def example(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)


@pytest.fixture
def small(monkeypatch):
    """VIDEO with networks that learn balls of 15 x 15 in seconds."""
    import trials
    import video

    config = override(video.VIDEO, **trials.SMALL)
    monkeypatch.setattr(video, "VIDEO", config)
    return config


def run(*words):
    import video

    video.app([str(word) for word in words], result_action="return_value")


@pytest.mark.trains
def test_a_model_of_balls_says_the_next_frame_better_than_the_last_one_again_does(small):
    import clips
    import trials
    import video

    made, test = clips.balls(40, size=15, seed=1, n_frames=40), clips.balls(10, size=15, seed=2)
    config = override(small, epochs=14, average=0.98)  # 40 clips of 39 pairs: 25 batches
    training, pairs = video.begin(list(made[:, :, None]), config)
    video.train_for(training, pairs, seconds=1e9)
    copied = trials.error(test[:, 1:], test[:, :-1])
    assert training.step == 350
    assert trials.next_frame_error(training.writer, test) < 0.85 * copied


def test_edges_are_as_steep_as_real_ones_half_where_they_are_spread_and_none_in_the_dark():
    import trials

    real = np.zeros((1, 8, 8), np.uint8)
    real[:, 2:6, 3:5] = 255  # 8 pixels of light; 12 sides of 1
    grey = np.zeros((1, 8, 8), np.uint8)
    grey[:, 1:5, 2:6] = 127  # 16 pixels of half the light; 16 sides of a half
    assert trials.sharpness(real, real) == 1
    assert trials.sharpness(grey, real) == pytest.approx((16 / 4) / 12, rel=0.02)
    assert trials.sharpness(np.zeros_like(real), real) == 0


def test_the_trial_of_digits_prints_each_row_of_the_document(monkeypatch, capsys, tmp_path):
    import functools
    import json

    import clips
    import trials

    strokes = np.zeros((2, 16, 16))
    strokes[0, :, 7], strokes[1, 7] = 1, 1
    monkeypatch.setattr(clips, "_handwriting", lambda _: (strokes, np.array([1, 7])))
    monkeypatch.setattr(
        trials, "reader_of_digits", functools.partial(trials.reader_of_digits, updates=2)
    )
    trials.digits(minutes=0.001, clips=20, tested=3, times=2, out=tmp_path)
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(rows) == ["nextbar", "the last frame again", "a black frame", "real"]
    assert rows["a black frame"]["sharpness"] == 0
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_balls_stay_in_their_box_and_out_of_each_other():
    import clips

    made = clips.balls(5, size=30, n_frames=60, seed=3) / 255
    # A ball's light is the integral of exp(-(r / 1.2)^8), pi 1.2^2 Gamma(5/4) = 4.10 of the box's
    # 100, of 900 pixels 36.9; three of them 110.7, and less where they leave or cover each other.
    light = made.sum(axis=(2, 3))
    assert light.min() > 0.96 * 110.7
    assert light.max() < 1.02 * 110.7
    moved = np.square(made[:, 1:] - made[:, :-1]).sum(axis=(2, 3))
    assert moved.min() > 1, "and never stand still, all three"
    assert np.array_equal(clips.balls(5, size=30, n_frames=60, seed=3), np.rint(255 * made))


def test_digits_wander_by_two_pixels_at_most_and_turn_at_the_walls(monkeypatch):
    import clips

    corners = np.zeros((2, 16, 16))
    corners[:, 0, 0] = (0.2, 0.6)  # as bytes 51 and 153, where they meet 204
    monkeypatch.setattr(clips, "_handwriting", lambda _: (corners, np.array([3, 8])))
    made, which = clips.digits(40, seed=1, n_frames=40)
    assert set(which.ravel()) == {3, 8}
    followed = [x for x, two in zip(made, which, strict=True) if two[0] != two[1] and 204 not in x]
    assert len(followed) > 5
    for clip in followed:
        for level in (51, 153):
            at = np.argwhere(clip == level)[:, 1:]
            assert len(at) == 40, "it is always there"
            assert at.max() <= 16, "and so are the 15 pixels behind its corner"
            assert np.abs(np.diff(at, axis=0)).max() <= 2
    assert max(x.nonzero()[1].max() for x in followed) == 16, "to the wall itself"


def test_clips_are_read_to_the_pixel_from_gifs_and_from_folders_of_images(tmp_path, capsys):
    import clips
    import video

    made = clips.balls(2, size=30, n_frames=4)
    clips.write(made, tmp_path)
    (tmp_path / "images").mkdir()
    for time in range(3):
        Image.fromarray(made[0, time]).save(tmp_path / "images" / f"{time}.png")
    (tmp_path / "broken.gif").write_bytes(b"GIF89a, but no more")
    read = video.read_clips(tmp_path, 30)
    assert [clip.shape for clip in read] == [(4, 1, 30, 30), (4, 1, 30, 30), (3, 1, 30, 30)]
    assert np.array_equal(read[1][:, 0], made[1])
    assert np.array_equal(read[2][:, 0], made[0, :3])
    assert "left out: " in (said := capsys.readouterr().out)
    assert "broken.gif: " in said
    red = np.zeros((20, 40, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(tmp_path / "images" / "0.png")
    with pytest.raises(UsageError, match="is no folder"):
        video.read_clips(tmp_path / "broken.gif", 30)
    first = video.read_clips(tmp_path, 10, colour=True)[2][0]
    assert (first.shape, first[0].min(), first[1:].max()) == ((3, 10, 10), 255, 0)


@pytest.mark.trains
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("ending", ["gif", "mp4"])
def test_from_a_folder_of_clips_to_clips_that_go_on(tmp_path, ending):
    import clips

    made = clips.balls(11, size=15, n_frames=8)
    clips.write(made, tmp_path / "clips")
    seconds = 0.02
    training = ("train", tmp_path / "clips", "--out", tmp_path / "run", "--size", "15")
    run(*training, "--minutes", seconds / 60)
    first = read_progress(tmp_path / "run")["step"]
    run(*training, "--minutes", seconds / 60)
    assert read_progress(tmp_path / "run")["step"] > first, "the same command goes on"
    assert read_description(tmp_path / "run").shape == (1, 15, 15)
    with pytest.raises(UsageError, match="was begun on frames of"):
        run(*training[:-1], "12")
    with pytest.raises(UsageError, match="--given 8: no clip that was held out has more frames"):
        run("continue", tmp_path / "run", tmp_path / "clips", "--out", tmp_path, "--given", 8)
    out = tmp_path / "new"
    how = ("--given", 3, "--frames", 5, "--times", 2, *(["--mp4"] if ending == "mp4" else []))
    run("continue", tmp_path / "run", tmp_path / "clips", "--out", out, *how)
    # the tenth clip is held out: what was, and two ways on, each 1 + 15 columns wide, enlarged by 4
    assert {path.name for path in out.iterdir()} == {f"clip-0.{ending}", "sheet.png"}
    with av.open(out / f"clip-0.{ending}") as video:
        frames = [frame.to_ndarray(format="gray") for frame in video.decode(video=0)]
    assert [frame.shape for frame in frames] == [(60, 4 * 3 * 16)] * 8
    real, drawn, again = np.split(np.stack(frames)[:, ::4, ::4].astype(int), 3, axis=2)
    near = 3 if ending == "gif" else 60  # MP4 loses something
    assert np.abs(real[:, :, 1:] - made[9]).max() <= near
    assert np.abs(drawn[:3, :, 1:] - made[9, :3]).max() <= near, "what was given begins each"
    assert not np.array_equal(drawn[3:], again[3:]), "and each goes on in its own way"
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.size == (2 * 8 * 16, 2 * 3 * 16)
