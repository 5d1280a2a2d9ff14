//! Wheelwright: a native BuildKit frontend for Python services.
