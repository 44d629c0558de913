"""Train on your own MIDI files, and write new music bar by bar.

import nextbar

corpus = nextbar.prepare("my-midi-files", "corpus")
run = nextbar.train(corpus, "run")
model = nextbar.load("run")
score = model.generate(bars=16, seed=1)     # a symusic.Score
report = nextbar.evaluate("folder-of-midi", reference="corpus")

The verbs are the same as on the command line:

    fetch      a public collection of MIDI files
    prepare    a folder of MIDI, ABC and MusicXML files -> a corpus of bars
    merge      the corpora of several machines -> one
    train      a corpus -> a run, which is a folder with a trained model
    adapt      a run, and a few files of yours -> a run in their style
    mix        a run and what was adapted from it -> a model between the two
    export     a run -> a smaller one, to give away, as a folder or one file
    export_web a run -> a page on which it composes, without a server
    push       a run -> a model on a hub, for others
    load       a run -> a composer, which writes music as ``symusic.Score``
    generate   a run -> a folder of MIDI, WAV and pictures
    verify     files of music -> which of their bars are copies of training tunes
    evaluate   a folder of MIDI -> measures beside real music and chance
    inspect    a corpus or a run -> what it is and how it came about
    reproduce  the experiment of the paper

They take paths and plain values, write only where they are told, return
ordinary objects and print nothing; the long ones call ``progress`` as they go.
"""

import lazy_loader

# What is public stands in ``__init__.pyi``; PyTorch is loaded by what needs it.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
