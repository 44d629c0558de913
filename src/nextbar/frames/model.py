"""The three networks together."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor, nn

from nextbar.errors import ConfigError
from nextbar.frames.chain import Chain, Gaussian, Mixture, only_there
from nextbar.frames.chain_encoder import ChainEncoder, there_of
from nextbar.frames.columns import ColumnDiscriminator, ColumnGenerator, PartsEncoder
from nextbar.frames.config import Config, Sampling
from nextbar.frames.contracts import (
    Consecutive,
    Drawn,
    Frames,
    History,
    Kinds,
    Latents,
    Noise,
    Rows,
    Shape,
    There,
    Verdict,
)
from nextbar.frames.phrases import PhraseDiscriminator
from nextbar.frames.plane import Discriminator, Encoder, Generator, check_sides
from nextbar.frames.pointer import Pointer


class Synthesis(NamedTuple):
    """What E and G make of a batch of pairs. Paper Eqs. 3, 4 and 6.

    drawn: G(z_t). predicted: the same as D is shown it, (B, C, H, W). sampled:
    so too, G(z_p) (or decoded from a draw of the learned prior), or None where
    there is no D to look at it. latent: z_t, (B, latent). own: what it was drawn
    from. prior: what E says of it where that was not E's own, but is a learned
    prior; in columns of each part, given those before it.
    """

    drawn: Drawn
    predicted: Frames
    sampled: Frames | None
    latent: Latents
    own: Gaussian
    prior: Mixture | Gaussian | None


class After(NamedTuple):
    """Frames that come after those to be written, and are known already.

    frames: (B, T, C, H, W), the nearest first. gap: how many are yet to be
    written between the next one and the first of these. kinds: (B, T), theirs,
    where there are kinds.
    """

    frames: Consecutive
    gap: int = 0
    kinds: Int[Tensor, "batch time"] | None = None

    def place(self, lag: int) -> int | None:
        """Which of the frames lies ``lag`` ahead of the next one; None where it is not known."""
        nth = lag - 1 - self.gap
        return nth if 0 <= nth < self.frames.shape[1] else None


class Model(nn.Module):
    """Encoder, generator and, where something is learned from it, discriminator.

    ``model.encoder(frames)`` and ``model.generator(latent)`` are ordinary
    modules and can be called by themselves. posterior: with a learned prior, the
    encoder that sees the next frame, used only while training (Denton & Fergus
    2018); else None. discriminator: None where ``config.has_adversary`` is not so.
    pointer: what says which of the frames before comes again as it stands, or None
    (:mod:`nextbar.frames.pointer`).
    phrases: the discriminator of several frames together that chooses while
    writing, or None (:mod:`nextbar.frames.phrases`).

    Frames may be of several kinds: then ``widths`` says for each how many of
    the shape's columns its frames have, beyond which they are empty, and
    wherever frames go in the numbers of their kinds go along. Two kinds may be
    of one width. Not in the paper, and in columns only.

    Raises ConfigError where frames of the shape are too small for the networks,
    or of several kinds in a plane.
    """

    def __init__(self, shape: Shape, config: Config, widths: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.shape, self.config = shape, config
        self.widths = widths if len(widths) > 1 else ()
        assert all(0 < width <= shape[2] for width in widths)
        channels, height, width = shape
        history = (len(config.lags) * channels, height, width)
        self.encoder: Encoder | ChainEncoder
        self.posterior: PartsEncoder | Encoder | None = None
        self.generator: Generator | ColumnGenerator
        self.discriminator: Discriminator | ColumnDiscriminator | None = None
        if config.layout == "columns":
            self.encoder = ChainEncoder(history, config, self.widths)
            self.posterior = PartsEncoder(shape, config)
            self.generator = ColumnGenerator(shape, config)
            if config.has_adversary:
                step = (channels, height, 2 * width)
                self.discriminator = ColumnDiscriminator(step, config)
        else:
            if self.widths:
                raise ConfigError(
                    f"layout: a plane has frames of one kind, and these are of {len(widths)}; "
                    "choose the layout columns"
                )
            check_sides(shape, config)
            self.encoder = Encoder(history, config)
            if config.learned_prior:
                self.posterior = Encoder(shape, config)
            self.generator = Generator(shape, config)
            if config.has_adversary:
                self.discriminator = Discriminator(shape, config)
        self.pointer = Pointer(shape, config) if config.repeats else None
        self.phrases = PhraseDiscriminator(shape) if config.phrase_updates else None
        # Convolutions on a CPU run several times faster with the channels innermost.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encoder_parameters(self) -> list[nn.Parameter]:
        """The parameters of E, and of the posterior where there is one: what Eq. 8 trains."""
        posterior = [] if self.posterior is None else list(self.posterior.parameters())
        return [*self.encoder.parameters(), *posterior]

    def synthesise(
        self, previous: History, current: Frames, noise: Noise, kinds: Kinds | None = None
    ) -> Synthesis:
        """Both fakes for a batch of pairs, decoded in one pass; without D the first alone. Eq. 6.

        previous: (B, K C, H, W), the K frames of the history; current: (B, C, H,
        W), seen only by the posterior. noise: (B, ``noise_size``), z_p, drawn
        from N(0, I). kinds: (B, K + 1), of all these frames, if there are kinds.
        """
        there = self.there_in(kinds, current.shape[3])
        reading = self.read(previous, kinds)
        own = reading if self.posterior is None else self.posterior(*_with(current, there))
        assert isinstance(own, Gaussian)
        latent = own.draw(noise)
        if there is not None:
            latent = only_there(latent, there)
        learned = None if self.posterior is None else reading
        prior = learned.given(latent) if isinstance(learned, Chain) else learned
        if self.discriminator is None:
            (drawn,) = self._decode(latent, previous=previous, there=there, current=current)
            return Synthesis(drawn, drawn.shown(), None, latent, own, prior)
        # The second fake is what a rollout would decode: from N(0, I), or from the learned prior.
        other = noise if learned is None else learned.draw(noise)
        drawn, sampled = self._decode(
            latent, other, previous=previous, there=there, current=current
        )
        return Synthesis(drawn, drawn.shown(), sampled.shown(), latent, own, prior)

    def read(self, history: History, kinds: Kinds | None = None) -> Gaussian | Chain:
        """What E reads off a history, as :meth:`history_of` gives it, and its kinds."""
        reading: Gaussian | Chain = self.encoder(*_with(history, kinds))
        return reading

    def draw(
        self,
        latent: Latents,
        there: There | None = None,
        rows: Rows | None = None,
        before: Consecutive | None = None,
    ) -> Frames:
        """What G makes of latents, (B, C, H, W). there: see :meth:`there_in`.

        rows: (B, H), those in which something may be; in columns only. before:
        (B, T, C, H, W), the frames before, the latest last, or None where there are
        none: for a G that sees them (``skips``).
        """
        if isinstance(self.generator, ColumnGenerator):
            in_columns: Frames = self.generator(latent, there, rows)
            return in_columns
        history = None
        if self.config.skips:
            if before is None:
                history = self._no_history(latent)
            else:
                history = self.history_of(before.unbind(dim=1))
        frames: Frames = self.generator(*_with(latent, history))
        return frames

    def _no_history(self, rows: Tensor) -> History:
        """The history of as many sequences as there are rows, that have not begun."""
        channels, height, width = self.shape
        return rows.new_zeros(len(rows), len(self.config.history) * channels, height, width)

    def _decode(
        self, *latents: Latents, previous: History, there: There | None, current: Frames
    ) -> list[Drawn]:
        if isinstance(self.generator, ColumnGenerator):
            return self.generator.decode(*latents, there=there, current=current)
        return self.generator.decode(*latents, history=previous)

    def there_in(self, kinds: Kinds | None, width: int) -> Bool[Tensor, "batch width"] | None:
        """Which of ``width`` columns the frames of the last of ``kinds`` have; None for all."""
        there = there_of(kinds, self.widths, width)
        return None if there is None else there[:, -1]

    def shown(self, frames: Frames) -> Frames:
        """Real frames as D is shown them, beside :meth:`Drawn.shown`."""
        return (frames > 0).float() if self.config.layout == "columns" else frames

    def judge(self, previous: History, frames: Frames) -> Verdict:
        """D's verdict on frames, (B, C, H, W), as they are shown to it. Needs a discriminator.

        In columns the latest frame of ``previous`` (B, K C, H, W) stands in front
        of each, side by side, so that D judges the step from one to the other.
        """
        assert self.discriminator is not None
        if self.config.layout == "columns":
            nth, channels = self.config.latest, self.shape[0]
            last = previous[:, nth * channels : (nth + 1) * channels]
            missing = (0, self.shape[2] - frames.shape[3])
            frames = torch.cat([F.pad(self.shown(last), missing), F.pad(frames, missing)], dim=3)
        verdict: Verdict = self.discriminator(frames)
        return verdict

    def history_of(
        self,
        frames: Sequence[Frames],
        after: After | None = None,
        lags: tuple[int, ...] | None = None,
    ) -> History:
        """What the encoder reads of the frames so far, (B, K C, H, W).

        frames: each (B, C, H, W), the latest last; at least one, or some after.
        Where they do not reach back far enough there are zeros, as in training.
        after: (B, (K + A) C, H, W) is read, if the model reads A frames ahead. lags: how many
        frames back those lie that are read, if not those of the configuration's history.
        """
        ahead = [] if after is None else [after.place(lag) for lag in self.config.ahead]
        known = [None if nth is None or after is None else after.frames[:, nth] for nth in ahead]
        behind = self.config.history if lags is None else lags
        back = [frames[-lag] if lag <= len(frames) else None for lag in behind]
        nothing = torch.zeros_like(next(each for each in [*back, *known] if each is not None))
        return torch.cat([nothing if each is None else each for each in [*back, *known]], dim=1)

    def chooses(self, sampling: Sampling) -> bool:
        """Whether the discriminator of phrases has a say in what is written."""
        return self.phrases is not None and bool(self.phrases.n_updates) and sampling.choose > 0

    def kinds_of(
        self,
        kinds: Int[Tensor, "batch frames"] | None,
        after: After | None = None,
        lags: tuple[int, ...] | None = None,
    ) -> Kinds | None:
        """The kinds that go with :meth:`history_of`, (B, K + 1), or (B, K + A + 1).

        kinds: (B, frames + 1), of the frames so far and of the one that comes.
        """
        if kinds is None:
            return None
        n_frames = kinds.shape[1] - 1
        behind = self.config.history if lags is None else lags
        places = [n_frames - lag if lag <= n_frames else -1 for lag in behind]
        if after is None:
            return kinds[:, [*places, -1]]
        assert after.kinds is not None
        ahead = [after.place(lag) for lag in self.config.ahead]
        of_ahead = [kinds[:, -1] if nth is None else after.kinds[:, nth] for nth in ahead]
        return torch.cat([kinds[:, places], torch.stack([*of_ahead, kinds[:, -1]], dim=1)], dim=1)

    def beginning(self, noise: Noise, kinds: Kinds | None = None) -> Gaussian | Chain:
        """What the first frame's latent is drawn from in testing model 2.

        N(0, I), as in the paper; where the encoder has learned what to say of
        no history at all (``forget``), what it says. noise: (B, ``noise_size``),
        for its size and device. kinds: of the frame that comes the last, (B, ...).
        """
        if not self.config.forget:
            zeros = noise.new_zeros(len(noise), self.latent_size)
            return Gaussian(zeros, zeros)
        n_frames = len(self.config.history)
        of_all = None if kinds is None else kinds[:, -1:].expand(-1, n_frames + 1)
        return self.read(self._no_history(noise), of_all)

    @property
    def latent_size(self) -> int:
        """Dimensions of a whole latent, all its parts together."""
        return latent_size(self.shape, self.config)

    @property
    def noise_size(self) -> int:
        """Numbers from N(0, I) that a frame is drawn with: in columns two more for each part.

        And one more where a frame before may come again.
        """
        if self.config.layout == "plane":
            return self.latent_size
        return self.latent_size + 2 * self.shape[2] + (self.pointer is not None)

    @property
    def memory(self) -> int:
        """How many of the frames before are looked at."""
        return max((*self.config.history, *self.config.repeats))


def latent_size(shape: Shape, config: Config) -> int:
    """Dimensions of a whole latent, all its parts together, for frames of that shape."""
    return (shape[2] if config.layout == "columns" else 1) * config.latent


def _with(first: Tensor, second: Tensor | None) -> tuple[Tensor, ...]:
    return (first,) if second is None else (first, second)


def build_model(shape: Shape, config: Config, widths: tuple[int, ...] = ()) -> Model:
    """A model with fresh weights, decided by ``config.seed`` alone. widths: see :class:`Model`.

    Weights begin as PyTorch's own layers begin them; the global random state
    is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return Model(shape, config, widths)
