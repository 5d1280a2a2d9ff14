//! What is laid down equals what uv lays down, file for file.
