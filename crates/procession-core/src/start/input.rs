//! What a new process is given: shared memory to attach to, a call, an order, a token. For tests that give it something else.

use super::{
    attributes::Attributes, call::CallRecord, function::Function, method::StartMethod, order::Order,
    token::Token,
};
use crate::{
    arena::{Arena, Audit, Handle},
    error::{Error, Result},
    members::Owner,
    recovery,
    sys::{environment::Environment, mapping::Mapping, spawn::Stream, status::Status},
};
use std::{fs::File, os::unix::fs::FileExt};

/// Attaches to shared memory of `len` bytes, of which these are the ones that aren't zero, as the occupant `generation` of `slot`; reads
/// the call, takes and frees blocks, sweeps, and looks at everything.
///
/// # Errors
///
/// What keeps a process from joining such a family.
pub fn attach(
    len: usize,
    contents: &[(u64, Vec<u8>)],
    (slot, generation): (usize, u32),
    call: Handle,
) -> Result<Audit> {
    let mapping = Mapping::create(len).map_err(|e| Error::system("could not create shared memory", e))?;
    let file = mapping.file().try_clone_to_owned().map_err(|e| Error::system("could not copy it", e))?;
    let file = File::from(file);
    for (offset, bytes) in contents {
        file.write_all_at(bytes, *offset).map_err(|e| Error::system("could not write it", e))?;
    }
    let seen =
        Arena::attach(file.into()).and_then(|arena| look(Box::leak(Box::new(arena)), slot, generation, call));
    // It stays mapped; but so it takes no memory.
    mapping.release(0, len);
    seen
}

fn look(arena: &'static Arena, slot: usize, generation: u32, call: Handle) -> Result<Audit> {
    let me = Owner::new(slot, generation).ok_or_else(|| Error::corrupted("no member's name"))?;
    arena.set_me(me);
    arena.touch();
    let attached =
        arena.members().attach(me).map_err(|e| Error::system("could not lock this member's byte", e))?;
    if attached && let Ok(job) = CallRecord::job(arena, call) {
        let _ = (Function::resolve(job.function), job.surroundings.environment.lines().count());
    }
    let blocks: Vec<_> = [64, 100, 5000, 32_000, 70_000, 300_000, 100].map(|len| arena.alloc(len)).into();
    for block in blocks.into_iter().flatten() {
        block.write(0, &[1; 64])?;
        arena.free(block, me);
    }
    recovery::sweep(arena);
    Ok(recovery::audit(arena))
}

/// What travels as bytes.
#[derive(Clone, Copy, Debug)]
pub enum Bytes {
    /// To the root, or the forkserver.
    Order,
    /// In a call.
    Attributes,
    /// Likewise.
    Environment,
    /// In an environment variable.
    Token,
    /// As the result of what failed.
    Error,
}

impl Bytes {
    /// Each of them.
    pub const ALL: [Bytes; 5] =
        [Bytes::Order, Bytes::Attributes, Bytes::Environment, Bytes::Token, Bytes::Error];

    /// As it should be.
    ///
    /// # Errors
    ///
    /// What this process isn't told of itself.
    pub fn example(self) -> Result<Vec<u8>> {
        let owner = Owner::new(3, 9).ok_or_else(|| Error::corrupted("no member's name"))?;
        let call = Handle { offset: 4096, generation: 77 };
        Ok(match self {
            Bytes::Order => {
                let order = Order {
                    owner,
                    call,
                    starter: owner,
                    method: StartMethod::Spawn,
                    daemon: true,
                    kill_on_drop: false,
                    stdio: [Stream::Closed; 3],
                    directory: None,
                    own: None,
                };
                order.to_message().0.to_vec()
            }
            Bytes::Attributes => {
                let status = Status::current().map_err(|e| Error::system("could not read the status", e))?;
                Attributes::of(&status)?.to_bytes()
            }
            Bytes::Environment => b"A=1\0B=\0LONGER=name and value\0".to_vec(),
            Bytes::Token => b"2:77:4:12884901897:4096:12:2:31".to_vec(),
            Bytes::Error => {
                let mut bytes = Vec::new();
                Error::corrupted("an example").encode(&mut bytes);
                bytes
            }
        })
    }

    /// Decodes it as who receives it does.
    ///
    /// # Errors
    ///
    /// It isn't one.
    pub fn decode(self, bytes: &[u8]) -> Result<()> {
        match self {
            Bytes::Order => Order::from_message(bytes, &[]).map(drop),
            Bytes::Attributes => {
                let attributes = Attributes::from_bytes(bytes)?;
                Attributes::from_bytes(&attributes.to_bytes()).map(|again| _ = again.exceed(&attributes))
            }
            Bytes::Environment => {
                let mut environment = Environment::from_bytes(bytes.to_vec());
                environment.push_line(b"C=3");
                let _ = environment.lines().count();
                Ok(())
            }
            Bytes::Token => {
                let token = std::str::from_utf8(bytes).ok().and_then(Token::parse);
                token
                    .and_then(|token| Token::parse(token.to_variable().split_once('=')?.1))
                    .map(drop)
                    .ok_or_else(|| Error::corrupted("no token"))
            }
            Bytes::Error => Err(Error::decode(bytes)),
        }
    }
}
