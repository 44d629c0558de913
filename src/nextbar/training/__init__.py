"""From a corpus to a run: a folder with a trained model, and what can be said of it."""
