//! Python wheels as installed files.
