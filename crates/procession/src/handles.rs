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

/// What every end of a stream of messages has: `$type<T>` has a field `inner` that knows, and one that says what `T` is for it.
macro_rules! stream_end {
    ($type:ident, $inner:ty) => {
        impl<T> $type<T> {
            pub(crate) fn new(inner: $inner) -> $type<T> {
                $type { inner, item: std::marker::PhantomData }
            }

            /// How many messages there are. Exact when it's asked; others may send and receive meanwhile.
            #[doc(alias = "qsize")]
            pub fn len(&self) -> usize {
                self.inner.len()
            }

            /// Whether there are no messages.
            #[doc(alias = "empty")]
            pub fn is_empty(&self) -> bool {
                self.inner.is_empty()
            }

            /// Who waits for it.
            pub fn statistics(&self) -> procession_core::objects::Statistics {
                self.inner.statistics()
            }
        }

        impl<T> Clone for $type<T> {
            fn clone(&self) -> $type<T> {
                $type::new(self.inner.clone())
            }
        }

        impl<T> std::fmt::Debug for $type<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.inner.fmt(f)
            }
        }

        impl<T: 'static> serde::Serialize for $type<T> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                crate::travel::send(self.inner.share(), serializer)
            }
        }

        impl<'de, T: 'static> serde::Deserialize<'de> for $type<T> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let signature = procession_core::stream::signature::<T>();
                let inner =
                    crate::travel::receive(deserializer, |share| <$inner>::from_share(share, signature))?;
                Ok($type::new(inner))
            }
        }
    };
}
pub(crate) use stream_end;
