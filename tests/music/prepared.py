"""Corpora as most tests want them: one channel, and in the keys of their files."""

from functools import partial

from nextbar.music import prepare

prepare = partial(prepare.prepare, onsets=False, common_key=False)
