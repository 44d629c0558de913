"""A page in the browser on which music is made with a model: request -> API -> response.

Nothing about music is decided here: ``nextbar.writing.sketch`` makes and changes
pieces, ``nextbar.measures`` measures them. Modules that load PyTorch are
imported by the thread that loads the runs, so that the page is there before.
"""
