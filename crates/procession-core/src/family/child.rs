//! How a new process becomes a member.

use super::{Family, adopt};
use crate::{
    arena::Arena,
    error::{Error, ErrorKind, Result},
    members::Owner,
    sys::{identity::Identity, lifeline, sentinel},
};
use rustix::fd::OwnedFd;

/// Joins the family, with what was inherited, as `owner`.
pub(crate) fn join(
    owner: Owner,
    lifeline: &OwnedFd,
    arena: impl FnOnce() -> Result<Arena>,
    requests: OwnedFd,
) -> Result<&'static Family> {
    // First of all, so that the root's death ends this process wherever it is.
    let armed = lifeline::arm(lifeline).map_err(|e| Error::system("could not arm the lifeline", e))?;
    std::mem::forget(armed);
    let arena = arena()?;
    sentinel::arm();
    arena.set_me(owner);
    let attached = arena.members().attach(owner);
    if !attached.map_err(|e| Error::system("could not lock this member's byte", e))? {
        return Err(Error::new(ErrorKind::StartFailed, "the family has given this process up"));
    }
    let identity = Identity::current().map_err(|e| Error::system("could not find out who this is", e))?;
    Ok(adopt(Family { arena, root: None, requests: Some(requests), identity }))
}
