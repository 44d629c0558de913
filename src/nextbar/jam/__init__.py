"""Trading bars over MIDI, without a page: a port, a clock, and a model that answers.

ports      MIDI ports by python-rtmidi, imported when they are opened
clock      where in the bars one is: by this machine's clock, or by MIDI clock
trades     who plays, what was played, and the answer that is ready when its bar line comes
command    ``nextbar jam``
"""
