//! How a new process becomes a member.

use super::{Family, adopt};
use crate::{
    arena::Arena,
    error::{Error, ErrorKind, Result},
    members::Owner,
    sys::sentinel,
};
use rustix::fd::OwnedFd;

/// Joins the family as `owner`, in a process whose life is tied to the root's.
pub(crate) fn join(owner: Owner, arena: Arena, requests: OwnedFd) -> Result<&'static Family> {
    sentinel::arm();
    arena.set_me(owner);
    let attached = arena.members().attach(owner);
    if !attached.map_err(|e| Error::system("could not lock this member's byte", e))? {
        return Err(Error::new(ErrorKind::StartFailed, "the family has given this process up"));
    }
    Ok(adopt(Family { arena, root: None, requests: Some(requests) }))
}
