//! Telling somebody how far a map has come.

/// Hears how far the tasks of one call have come; see [`TaskOptions::progress`](crate::TaskOptions::progress).
///
/// Implemented for closures of the two numbers, and with the feature `progress` for [`indicatif`'s bars](https://docs.rs/indicatif).
pub trait Progress: Send {
    /// `done` tasks have ended, of `total`, if it's known how many there are. Called often, though not for each task.
    fn report(&mut self, done: u64, total: Option<u64>);

    /// There will be no more reports.
    fn finish(&mut self) {}
}

impl<F: FnMut(u64, Option<u64>) + Send> Progress for F {
    fn report(&mut self, done: u64, total: Option<u64>) {
        self(done, total);
    }
}

#[cfg(feature = "progress")]
impl Progress for indicatif::ProgressBar {
    fn report(&mut self, done: u64, total: Option<u64>) {
        if let Some(total) = total
            && self.length() != Some(total)
        {
            self.set_length(total);
        }
        self.set_position(done);
    }

    fn finish(&mut self) {
        indicatif::ProgressBar::finish(self);
    }
}

/// What a bar looks like, whether or not it's known how many there are.
#[cfg(feature = "progress")]
pub(super) fn style() -> indicatif::ProgressStyle {
    indicatif::ProgressStyle::with_template("{wide_bar} {pos}/{len} tasks, {per_sec}, {eta} left")
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar())
}

/// Counts for somebody who hears of it, or nobody.
#[derive(Default)]
pub(super) struct Reporter {
    progress: Option<Box<dyn Progress>>,
    done: u64,
    total: Option<u64>,
}

impl Reporter {
    pub(super) fn new(progress: Box<dyn Progress>) -> Reporter {
        Reporter { progress: Some(progress), ..Reporter::default() }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.progress.is_some()
    }

    /// There are so many tasks, as far as that is known.
    pub(super) fn begin(&mut self, (least, most): (usize, Option<usize>)) {
        self.total = most.filter(|most| *most == least).map(|total| total as u64);
        self.add(0);
    }

    pub(super) fn add(&mut self, done: usize) {
        self.done += done as u64;
        if let Some(progress) = &mut self.progress {
            progress.report(self.done, self.total);
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(mut progress) = self.progress.take() {
            progress.finish();
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        // Not while its own panic is under way.
        if !std::thread::panicking() {
            self.end();
        }
    }
}
