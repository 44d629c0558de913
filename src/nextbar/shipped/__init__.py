"""The trained model that comes with nextbar; ``card.md`` beside it says what it is."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Its run folder, made by ``nextbar export``."""
