//! `cargo bench`: runs `quaver bench`, with the flags behind `--` if there are any.

use std::process::{Command, ExitCode};

fn main() -> std::io::Result<ExitCode> {
    // cargo adds --bench of its own.
    let flags = std::env::args().skip(1).filter(|flag| flag != "--bench");
    let status = Command::new(env!("CARGO_BIN_EXE_quaver"))
        .arg("bench")
        .args(flags)
        .status()?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
