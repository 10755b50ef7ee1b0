//! Progress out, continue or stop in. Long calls take an [`Observer`] and return
//! what they have finished when it says stop.

/// What a long call tells and asks.
pub trait Observer: Sync {
    /// A stage named `name` with `total` units of work begins.
    fn begin(&self, name: &str, total: u64) {
        let _ = (name, total);
    }
    /// `done` of the stage's units are finished; `note` is a short text such as the loss.
    fn progress(&self, done: u64, note: &str) {
        let _ = (done, note);
    }
    /// The stage is over.
    fn end(&self) {}
    /// Whether to go on. Asked between chunks of work; `false` stops at the next one.
    fn go_on(&self) -> bool {
        true
    }
}

/// Says nothing, never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
