//! The command `quaver`.

fn main() {}
