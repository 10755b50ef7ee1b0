//! [`Progress`]: a bar with an estimate on standard error for work over a second, and Ctrl-C.

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quaver::observe::Observer;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Work shorter than this shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Follows long calls.
pub(crate) struct Progress {
    quiet: bool,
    stopped: Arc<AtomicBool>,
    stage: Mutex<Option<Stage>>,
    ended: Mutex<Vec<Timing>>,
}

/// How long a stage took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Timing {
    pub(crate) name: String,
    pub(crate) seconds: f64,
}

struct Stage {
    name: String,
    total: u64,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Takes over Ctrl-C: the first asks to stop at the next chunk, the second ends at once.
    pub(crate) fn new(quiet: bool) -> anyhow::Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stopped);
        ctrlc::set_handler(move || {
            if seen.swap(true, Ordering::SeqCst) {
                std::process::exit(3);
            }
        })
        .context("cannot take over Ctrl-C")?;
        Ok(Self {
            quiet,
            stopped,
            stage: Mutex::new(None),
            ended: Mutex::default(),
        })
    }

    /// The stages so far, in the order they ended.
    pub(crate) fn stages(&self) -> Vec<Timing> {
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether Ctrl-C was pressed.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

impl Observer for Progress {
    fn begin(&self, name: &str, total: u64) {
        let stage = Stage {
            name: name.to_owned(),
            total,
            began: Instant::now(),
            bar: None,
        };
        let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = current.replace(stage).and_then(|stage| stage.bar) {
            bar.finish_and_clear();
        }
    }

    fn progress(&self, done: u64, note: &str) {
        if self.quiet {
            return;
        }
        let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stage) = current.as_mut() else {
            return;
        };
        if stage.bar.is_none() && stage.began.elapsed() > PATIENCE {
            stage.bar = Some(stage.draw());
        }
        if let Some(bar) = &stage.bar {
            bar.set_position(done);
            bar.set_message(note.to_owned());
        }
    }

    fn end(&self) {
        let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stage) = current.take() else { return };
        let seconds = stage.began.elapsed().as_secs_f64();
        if let Some(bar) = stage.bar {
            bar.finish_and_clear();
        }
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.push(Timing {
            name: stage.name,
            seconds,
        });
    }

    fn go_on(&self) -> bool {
        !self.stopped()
    }
}

impl Stage {
    fn draw(&self) -> ProgressBar {
        let target = ProgressDrawTarget::stderr_with_hz(8);
        let bar = ProgressBar::with_draw_target(Some(self.total), target);
        let template = "{prefix} [{bar:16}] {percent:>3} % {eta} left  {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.with_prefix(self.name.clone())
            .with_elapsed(self.began.elapsed())
    }
}
