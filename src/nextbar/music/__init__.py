"""Music as arrays: MIDI and ABC files, bars, corpora, sound and pictures. No PyTorch."""
