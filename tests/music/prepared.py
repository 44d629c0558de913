"""Corpora as most tests want them: one channel, in the keys of their files, without a page."""

from functools import partial

from nextbar.music import prepare

merge = partial(prepare.merge, page=False)
prepare = partial(prepare.prepare, onsets=False, common_key=False, page=False)
