//! `cargo bench`: the body of `quaver bench` with its usual settings.

#[path = "../src/speed/mod.rs"]
mod speed;

use quaver_nn::engine::Engine;
use std::sync::Arc;

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn main() -> anyhow::Result<()> {
    let settings = speed::Settings {
        arch: vec!["lenet5".into()],
        topology: vec!["full-precision".into(), "bnn".into()],
        batch_size: 128,
        seconds: 1.0,
        profile: false,
    };
    let speed = speed::measure(&settings, &Arc::new(Engine::new(0, None)?), &|| true)?;
    println!("{}", speed::text(&speed));
    Ok(())
}
