"""Judges what may be said."""
