"""Each command: its options and what they mean -> the API -> the screen.

Nothing is decided here.
"""
