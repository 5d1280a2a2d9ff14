"""Speech to text, up to the model: segments of speech and their features."""
