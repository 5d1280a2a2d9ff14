"""The Discord bot's side: wake phrases and voice frames."""
