"""The service that is built."""
