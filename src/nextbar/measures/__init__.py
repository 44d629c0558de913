"""Measures of music beside real-data and chance rows."""
