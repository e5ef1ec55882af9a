//! iceoryx2: publishing and subscribing in shared memory, with nothing that overflows. Its ends are looked at again and again: to
//! sleep it has events apart from that.

use super::{folder, poll};
use crate::{
    measure::Result,
    traffic::forms::{LARGE, Receives, Sends, SendsInPlace},
};
use iceoryx2::{
    port::{publisher::Publisher, subscriber::Subscriber},
    prelude::*,
    service::ipc::Service,
};

/// How many messages a receiver has room for.
const SMALL_ROOM: usize = 512;
const LARGE_ROOM: usize = 4;

type Small = [u8; 64];

/// An end, and what it belongs to.
pub(crate) struct End<P> {
    port: P,
    _node: Node<Service>,
}

pub(crate) type Sender<M> = End<Publisher<Service, M, ()>>;
pub(crate) type Receiver<M> = End<Subscriber<Service, M, ()>>;

/// One that has its files in the folder, or under names that begin with the folder's.
fn node(folder: &str) -> Result<Node<Service>> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    config.global.prefix = FileName::new(folder::prefix(folder).as_bytes())?;
    config.global.set_root_path(&Path::new(folder.as_bytes())?);
    Ok(NodeBuilder::new().config(&config).signal_handling_mode(SignalHandlingMode::Disabled).create()?)
}

macro_rules! service {
    ($node:expr, $message:ty, $room:expr) => {
        $node
            .service_builder(&"bench".try_into()?)
            .publish_subscribe::<$message>()
            .enable_safe_overflow(false)
            .history_size(0)
            .subscriber_max_buffer_size($room)
            .max_publishers(1)
            .max_subscribers(1)
            .open_or_create()?
    };
}

pub(crate) fn small_sender(folder: &str) -> Result<Sender<Small>> {
    let node = node(folder)?;
    let service = service!(node, Small, SMALL_ROOM);
    let strategy = BackpressureStrategy::DiscardData;
    let port = service.publisher_builder().backpressure_strategy(strategy).create()?;
    Ok(End { port, _node: node })
}

pub(crate) fn small_receiver(folder: &str) -> Result<Receiver<Small>> {
    let node = node(folder)?;
    let service = service!(node, Small, SMALL_ROOM);
    let port = service.subscriber_builder().buffer_size(SMALL_ROOM).create()?;
    Ok(End { port, _node: node })
}

pub(crate) fn large_sender(folder: &str) -> Result<Sender<[u8]>> {
    let node = node(folder)?;
    let service = service!(node, [u8], LARGE_ROOM);
    let strategy = BackpressureStrategy::RetryUntilDelivered;
    let builder = service.publisher_builder().initial_max_slice_len(LARGE);
    let port = builder.backpressure_strategy(strategy).create()?;
    Ok(End { port, _node: node })
}

pub(crate) fn large_receiver(folder: &str) -> Result<Receiver<[u8]>> {
    let node = node(folder)?;
    let service = service!(node, [u8], LARGE_ROOM);
    let port = service.subscriber_builder().buffer_size(LARGE_ROOM).create()?;
    Ok(End { port, _node: node })
}

impl Sends<[u8]> for Sender<Small> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        let message = message.try_into()?;
        poll(|| Ok((self.port.send_copy(message)? == 1).then_some(())))
    }
}

impl Receives<[u8]> for Receiver<Small> {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let sample = poll(|| Ok(self.port.receive()?))?;
        Ok(look(sample.payload()))
    }
}

impl SendsInPlace for Sender<[u8]> {
    /// Until the receiver has come to know of the sender, messages may get lost: it makes them again.
    fn send_in_place(&mut self, len: usize, fill: impl Fn(&mut [u8])) -> Result<()> {
        loop {
            let mut sample = self.port.loan_slice_uninit(len)?;
            let bytes = sample.payload_mut();
            // SAFETY: bounds: the same bytes, which have values: zeroes of the kernel or an older message. Aliasing: lent to us
            // alone. Lifetime: borrowed from the sample.
            fill(unsafe { &mut *(&raw mut *bytes as *mut [u8]) });
            // SAFETY: bounds, aliasing: as above; all of it is written. Lifetime: of the sample.
            if unsafe { sample.assume_init() }.send()? == 1 {
                return Ok(());
            }
        }
    }
}

impl Receives<[u8]> for Receiver<[u8]> {
    fn receive<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let sample = poll(|| Ok(self.port.receive()?))?;
        Ok(look(sample.payload()))
    }
}
