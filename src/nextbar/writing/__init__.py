"""From a trained model to music: whole pieces, single bars, sketches, and folders of files."""
