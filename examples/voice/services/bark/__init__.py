"""Makes sound."""
