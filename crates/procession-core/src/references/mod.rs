//! References: who has an object. One small record for each process that has a handle of it, and one for each handle in a
//! message; the object ends with the last of them. `README.md` has the protocol and its kill table.

mod count;
mod lookout;
mod parcel;
mod record;
mod share;
mod ward;

pub(crate) use crate::arena::Holder;
pub(crate) use count::Count;
pub(crate) use lookout::{Lookout, PATIENCE};
pub use parcel::Parcel;
pub(crate) use parcel::{Envelope, Listed, receive};
pub(crate) use record::{Header, Held, Holders, Part, Reference};
pub use share::Share;
pub(crate) use share::Shared;
pub(crate) use ward::{Maker, ManagerRecord, Ward, shut_down};
