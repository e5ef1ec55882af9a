//! What a case decides by: random numbers, or the bytes that a fuzzer gives.

/// Decides.
pub(crate) struct Choices(Box<dyn FnMut() -> u64 + Send>);

impl Choices {
    pub(crate) fn new(next: impl FnMut() -> u64 + Send + 'static) -> Choices {
        Choices(Box::new(next))
    }

    pub(crate) fn word(&mut self) -> u64 {
        (self.0)()
    }

    /// A number below `bound`, which isn't 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn one_of<T: Copy>(&mut self, many: &[T]) -> T {
        many[self.below(many.len())]
    }

    /// For another thread.
    pub(crate) fn split(&mut self) -> Choices {
        Choices::of(self.word())
    }

    /// For another process.
    pub(crate) fn of(seed: u64) -> Choices {
        let mut state = seed | 1;
        Choices::new(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
    }
}
