//! The command `quaver`.

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "`quaver data fetch` calls it once the commands are parsed")
)]
mod fetch;

fn main() {}
