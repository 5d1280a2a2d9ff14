"""Classifies what was said."""
