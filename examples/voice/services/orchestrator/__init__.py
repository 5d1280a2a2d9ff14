"""Decides what to do with what was said."""
