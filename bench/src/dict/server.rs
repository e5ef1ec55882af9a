//! A process that has the entries, and does what others ask it for by a Unix socket, with a thread for each of them: what Python's
//! `Manager` is, without its interpreter.
//!
//! A request is its length (4 bytes), what is to be done (1 byte), and key and value as far as there are any. The answer is its
//! length and what was found.

use super::{
    OTHER,
    contest::{Does, Store, contest, fill, take_part},
    entries::{Value, add_one, counter},
};
use crate::{
    measure::{Result, same},
    peers::{Role, SERVER, folder::Folder},
    sync::area::{Area, Other},
};
use std::{
    collections::HashMap,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::{Mutex, PoisonError},
    thread,
};

/// What the server does.
pub(super) const SERVE: &str = "serve";

const GET: u8 = 0;
const PUT: u8 = 1;
const UPDATE: u8 = 2;
const TOTAL: u8 = 3;

/// Of keys, all of which have this length.
const KEY: usize = 16;

/// One end of a connection.
pub(super) struct Connection {
    stream: UnixStream,
    /// What is sent, in one piece, and what came.
    out: Vec<u8>,
    came: Vec<u8>,
}

impl Connection {
    fn new(stream: UnixStream) -> Connection {
        Connection { stream, out: Vec::new(), came: Vec::new() }
    }

    fn open(folder: &str) -> Result<Connection> {
        Ok(Connection::new(UnixStream::connect(socket(folder))?))
    }

    fn send(&mut self, parts: &[&[u8]]) -> Result<()> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.out.clear();
        self.out.extend_from_slice(&u32::try_from(len)?.to_le_bytes());
        parts.iter().for_each(|part| self.out.extend_from_slice(part));
        Ok(self.stream.write_all(&self.out)?)
    }

    /// The next message. There is never more than one under way, so that mostly one read is enough.
    fn receive(&mut self) -> Result<&[u8]> {
        self.came.resize(512, 0);
        let (mut has, mut needs) = (0, 4);
        while has < needs {
            match self.stream.read(&mut self.came[has..])? {
                0 => return Err("the other end is closed".into()),
                len => has += len,
            }
            if let Some(len) = self.came[..has].first_chunk() {
                needs = 4 + u32::from_le_bytes(*len) as usize;
            }
        }
        Ok(self.came.get(4..needs).ok_or("a message is longer than any may be")?)
    }

    fn ask(&mut self, what: u8, key: &str, value: &[u8]) -> Result<&[u8]> {
        self.send(&[&[what], key.as_bytes(), value])?;
        self.receive()
    }
}

impl Store for Connection {
    fn get(&mut self, key: &str) -> Result<Value> {
        Ok(Value::new(self.ask(GET, key, &[])?.try_into()?))
    }

    fn put(&mut self, key: &str, value: &Value) -> Result<()> {
        same(self.ask(PUT, key, &value[..])?.len(), 0)
    }

    fn update(&mut self, key: &str) -> Result<()> {
        same(self.ask(UPDATE, key, &[])?.len(), 0)
    }

    fn total(&mut self) -> Result<u64> {
        Ok(counter(self.ask(TOTAL, "", &[])?))
    }
}

fn socket(folder: &str) -> String {
    format!("{folder}/socket")
}

pub(super) struct Server {
    connection: Connection,
    /// Killed when it's dropped, before the folder goes.
    _process: Other,
    folder: Folder,
}

impl Server {
    pub(super) fn new() -> Result<Server> {
        let (area, folder) = (Area::new()?, Folder::new()?);
        let role = Role { other: OTHER, does: SERVE, peer: SERVER };
        let process = role.start(&area, folder.path())?;
        area.control().sleep_until(1)?;
        let mut connection = Connection::open(folder.path())?;
        fill(&mut connection)?;
        Ok(Server { connection, _process: process, folder })
    }

    pub(super) fn alone(&mut self, does: Does) -> Result<f64> {
        contest(&Area::new()?, 1, &mut self.connection, does, || Ok(()))
    }

    pub(super) fn two(&mut self, does: Does) -> Result<f64> {
        let area = Area::new()?;
        let role = Role { other: OTHER, does: &does.to_string(), peer: SERVER };
        let other = role.start(&area, self.folder.path())?;
        contest(&area, 2, &mut self.connection, does, || other.join())
    }
}

/// The second process of those that ask.
pub(super) fn second(area: &Area, does: Does, folder: &str) -> Result<()> {
    take_part(area, &mut Connection::open(folder)?, does)
}

type Entries = Mutex<HashMap<Vec<u8>, Vec<u8>>>;

/// The server, until it's killed.
pub(super) fn serve(area: &Area, folder: &str) -> Result<()> {
    let (entries, listener) = (Entries::default(), UnixListener::bind(socket(folder))?);
    area.control().come();
    thread::scope(|scope| {
        loop {
            let connection = Connection::new(listener.accept()?.0);
            scope.spawn(|| answer(&entries, connection));
        }
    })
}

/// One thread of it, until the other end is closed.
fn answer(entries: &Entries, mut connection: Connection) {
    let mut found = Vec::new();
    while let Ok(request) = connection.receive() {
        found.clear();
        if carry_out(entries, request, &mut found).is_none() || connection.send(&[&found]).is_err() {
            return;
        }
    }
}

/// Appends what is found. `None`: it's no request.
fn carry_out(entries: &Entries, request: &[u8], found: &mut Vec<u8>) -> Option<()> {
    let (what, rest) = request.split_first()?;
    let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
    if *what == TOTAL {
        let total: u64 = entries.values().map(|value| counter(value)).sum();
        found.extend_from_slice(&total.to_le_bytes());
        return Some(());
    }
    let (key, value) = rest.split_at_checked(KEY)?;
    match *what {
        GET => found.extend_from_slice(entries.get(key)?),
        PUT => match entries.get_mut(key) {
            Some(place) => value.clone_into(place),
            None => {
                entries.insert(key.to_vec(), value.to_vec());
            }
        },
        UPDATE => add_one(entries.get_mut(key)?),
        _ => return None,
    }
    Some(())
}
