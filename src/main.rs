//! The `wheelwright` binary.

fn main() {}
