//! How a new process becomes a member.

use super::{Family, adopt};
use crate::{
    arena::Arena,
    error::{Error, ErrorKind, Result},
    start::Token,
    sys::{lifeline, sentinel},
};

/// Joins the family that the token names; `None` when the token isn't meant for this process.
pub(crate) fn join(token: &Token) -> Option<Result<&'static Family>> {
    let inherited = token.claim()?;
    let join = || {
        if let Some(stdout) = &inherited.stdout {
            rustix::stdio::dup2_stdout(stdout)
                .map_err(|e| Error::system("could not restore standard output", e))?;
        }
        // First of all, so that the root's death ends this process wherever it is.
        lifeline::arm(&inherited.lifeline).map_err(|e| Error::system("could not arm the lifeline", e))?;
        let arena = Arena::attach(inherited.arena)?;
        sentinel::arm();
        arena.set_me(token.member);
        let attached = arena.members().attach(token.member);
        if !attached.map_err(|e| Error::system("could not lock this member's byte", e))? {
            return Err(Error::new(ErrorKind::StartFailed, "the family has given this process up"));
        }
        Ok(adopt(Family { arena, root: None }))
    };
    Some(join())
}
