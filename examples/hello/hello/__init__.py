"""The smallest service."""
