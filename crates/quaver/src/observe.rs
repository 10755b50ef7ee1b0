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

/// A stage made of several calls: what each of them tells counts on from `done`.
pub struct Offset<'a> {
    /// Who is told; the stage has begun there.
    pub observer: &'a dyn Observer,
    /// Units that earlier calls have finished.
    pub done: u64,
}

impl Observer for Offset<'_> {
    fn progress(&self, done: u64, note: &str) {
        self.observer.progress(self.done + done, note);
    }
    fn go_on(&self) -> bool {
        self.observer.go_on()
    }
}

/// Says nothing, never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
