//! What handles of all kinds have in common, besides that they travel.

/// What every lock that can be poisoned tells: `$type` has a field `inner` that knows.
macro_rules! poisonable {
    ($type:ident) => {
        impl<T: bytemuck::Pod> $type<T> {
            /// Whether a process or thread that held it died or panicked, and nobody has called `clear_poison` since.
            pub fn is_poisoned(&self) -> bool {
                self.inner.is_poisoned()
            }

            /// Says that what it protects is all right again.
            pub fn clear_poison(&self) {
                self.inner.clear_poison();
            }
        }
    };
}
pub(crate) use poisonable;

/// Who has it and who waits, also as `Debug`: `$type` has a field `inner` that knows.
macro_rules! has_statistics {
    ($($type:ident $(<$t:ident>)?),*) => {
        $(impl$(<$t: bytemuck::Pod>)? $type$(<$t>)? {
            /// Who has it, and who waits for it.
            pub fn statistics(&self) -> procession_core::objects::Statistics {
                self.inner.statistics()
            }
        }

        impl$(<$t: bytemuck::Pod>)? std::fmt::Debug for $type$(<$t>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.inner.fmt(f)
            }
        })*
    };
}
pub(crate) use has_statistics;
