//! One method for each kind of object.

use super::Manager;
use crate::{
    Array, Barrier, BoundedSemaphore, Condition, Connection, Dict, Event, JoinableQueue, List, Mutex, Once,
    OnceValue, Pod, Queue, Receiver, ReentrantMutex, RwLock, Semaphore, Sender, Value, channel, channel_with,
    duplex, pipe,
};
use procession_core::Result;

/// Methods that run a constructor in [`own`](Manager::own).
macro_rules! make {
    ($(
        $(#[$meta:meta])*
        $name:ident $([$($bound:tt)*])? ($($argument:ident: $type:ty),*) -> $made:ty = $constructor:expr;
    )*) => {
        /// One method for each kind of object.
        ///
        /// # Errors
        ///
        /// All of these: those of the constructor that they name, and [`is_closed`](procession_core::Error::is_closed): the manager has been shut
        /// down.
        impl Manager {
            $(
                $(#[$meta])*
                pub fn $name$(<$($bound)*>)?(&self, $($argument: $type),*) -> Result<$made> {
                    self.own(|| $constructor)
                }
            )*
        }
    };
}

make! {
    /// [`Dict::new`].
    dict[K, V]() -> Dict<K, V> = Dict::new();
    /// [`List::new`].
    list[T]() -> List<T> = List::new();
    /// [`Mutex::new`].
    #[doc(alias = "Lock")]
    mutex[T: Pod](value: T) -> Mutex<T> = Mutex::new(value);
    /// [`ReentrantMutex::new`].
    #[doc(alias = "RLock")]
    reentrant_mutex[T: Pod](value: T) -> ReentrantMutex<T> = ReentrantMutex::new(value);
    /// [`RwLock::new`].
    rw_lock[T: Pod](value: T) -> RwLock<T> = RwLock::new(value);
    /// [`Semaphore::new`].
    semaphore(permits: u32) -> Semaphore = Semaphore::new(permits);
    /// [`BoundedSemaphore::new`].
    bounded_semaphore(permits: u32) -> BoundedSemaphore = BoundedSemaphore::new(permits);
    /// [`Condition::new`].
    condition() -> Condition = Condition::new();
    /// [`Event::new`].
    event() -> Event = Event::new();
    /// [`Barrier::new`].
    barrier(parties: u32) -> Barrier = Barrier::new(parties);
    /// [`Once::new`].
    once() -> Once = Once::new();
    /// [`OnceValue::new`].
    once_value[T: Pod]() -> OnceValue<T> = OnceValue::new();
    /// [`Value::new`].
    value[T: Pod](value: T) -> Value<T> = Value::new(value);
    /// [`Array::new`].
    array[T: Pod](len: usize) -> Array<T> = Array::new(len);
    /// [`Array::from_slice`].
    array_from_slice[T: Pod](values: &[T]) -> Array<T> = Array::from_slice(values);
    /// [`channel`].
    channel[T: 'static]() -> (Sender<T>, Receiver<T>) = channel();
    /// [`channel_with`].
    channel_with[T: 'static](bytes: usize) -> (Sender<T>, Receiver<T>) = channel_with(bytes);
    /// [`pipe`].
    #[doc(alias = "Pipe")]
    pipe[T: 'static]() -> (Connection<T>, Connection<T>) = pipe();
    /// [`duplex`].
    duplex[S: 'static, R: 'static]() -> (Connection<S, R>, Connection<R, S>) = duplex();
    /// [`Queue::unbounded`].
    queue[T: 'static]() -> Queue<T> = Queue::unbounded();
    /// [`Queue::bounded`].
    bounded_queue[T: 'static](items: usize) -> Queue<T> = Queue::bounded(items);
    /// [`JoinableQueue::unbounded`].
    joinable_queue[T: 'static]() -> JoinableQueue<T> = JoinableQueue::unbounded();
    /// [`JoinableQueue::bounded`].
    bounded_joinable_queue[T: 'static](items: usize) -> JoinableQueue<T> = JoinableQueue::bounded(items);
    /// [`Manager::new`]: a manager that ends with this one.
    manager() -> Manager = Manager::new();
}
