//! Values and functions that go wrong in another process.

use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// Can be encoded, and not decoded.
#[derive(Debug, Serialize)]
pub struct OneWay(pub u8);

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<OneWay, D::Error> {
        Err(de::Error::custom("never"))
    }
}

/// Can't be encoded.
#[derive(Debug, Deserialize)]
pub struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("no"))
    }
}

/// Ends this process by a signal.
pub fn raise(signal: i32) {
    let signal = Signal::from_named_raw(signal).expect("a signal with a name");
    loop {
        // The standard library's handler for SIGSEGV lets the first one pass, and takes itself away.
        let _ = kill_process(getpid(), signal);
    }
}
