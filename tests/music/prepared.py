"""Corpora as most tests want them: one channel, and in the keys of their files."""

from functools import partial

from nextbar.music import prepare

prepare_corpus = partial(prepare.prepare_corpus, onsets=False, common_key=False)
