//! Collects what does not hold, so that one run shows all of it.

pub(crate) struct Failures(Vec<String>);

impl Failures {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }

    pub(crate) fn finish(self) {
        assert!(self.0.is_empty(), "{:#?}", self.0);
    }
}
