//! [`Progress`]: a line on standard error that says what takes long.
//!
//! Drawn only on a terminal, and only once half a second has passed since it was made; a fast
//! reading draws nothing. Gone when dropped.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::Terminal;

/// What is faster is not worth a word.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the line moves.
const TICK: Duration = Duration::from_millis(120);

/// What is being done now.
#[derive(Debug)]
pub struct Progress {
    steps: Option<Sender<String>>,
    drawer: Option<JoinHandle<()>>,
}

impl Progress {
    /// Draws nothing yet, and never where standard error is not a terminal.
    pub fn new(terminal: &Terminal) -> Progress {
        if !terminal.progress {
            return Progress {
                steps: None,
                drawer: None,
            };
        }
        let (steps, received) = mpsc::channel();
        let drawer = std::thread::spawn(move || draw(&received));
        Progress {
            steps: Some(steps),
            drawer: Some(drawer),
        }
    }

    /// Begins a step, named as what is being done: `reading spans`.
    pub fn step(&self, what: impl Into<String>) {
        if let Some(steps) = &self.steps {
            let _ = steps.send(what.into());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.steps = None;
        if let Some(drawer) = self.drawer.take() {
            let _ = drawer.join();
        }
    }
}

fn draw(steps: &mpsc::Receiver<String>) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    let began = Instant::now();
    let mut drawn = began;
    loop {
        match steps.recv_timeout(TICK) {
            Ok(step) => bar.set_message(step),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if began.elapsed() >= PATIENCE && drawn.elapsed() >= TICK {
            if bar.is_hidden() {
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            bar.tick();
            drawn = Instant::now();
        }
    }
    bar.finish_and_clear();
}
