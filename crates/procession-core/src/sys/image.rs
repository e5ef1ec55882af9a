//! The loaded program: where its constants lie, and which build it is.

use std::{ffi::c_void, ops::Range, os::unix::ffi::OsStrExt, sync::OnceLock};

/// The executable or shared library that contains this crate.
#[derive(Debug)]
pub(crate) struct Image {
    /// Where the image was loaded; differs from process to process.
    pub(crate) base: usize,
    /// Addresses that the loader made read-only: constants, and tables of relocated pointers.
    constants: Vec<Range<usize>>,
    /// Differs between any two builds of the program.
    pub(crate) build: u64,
}

/// An address inside the image that is sure to be ours.
static ANCHOR: u8 = 0;

impl Image {
    /// This process's image.
    pub(crate) fn current() -> &'static Image {
        static IMAGE: OnceLock<Image> = OnceLock::new();
        IMAGE.get_or_init(|| {
            let mut found = Found { base: 0, constants: Vec::new(), note: None, path: Vec::new() };
            // SAFETY: bounds: `visit` gets our `Found` back as `data`. Aliasing: the loader calls it on this thread,
            // one object at a time. Lifetime: `found` outlives the call.
            unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut found).cast()) };
            Image { base: found.base, build: found.build(), constants: found.constants }
        })
    }

    /// Whether `len` bytes from `address` lie within constants of the image.
    pub(crate) fn is_constant(&self, address: usize, len: usize) -> bool {
        let fits = |r: &Range<usize>| r.start <= address && address <= r.end && len <= r.end - address;
        self.constants.iter().any(fits)
    }
}

struct Found {
    base: usize,
    constants: Vec<Range<usize>>,
    note: Option<Vec<u8>>,
    path: Vec<u8>,
}

impl Found {
    /// The linker's build id where there is one; else the identity of the file, which every child executes as well.
    fn build(&self) -> u64 {
        let mut hash = fnv(fnv(FNV_START, env!("CARGO_PKG_VERSION").as_bytes()), &[usize::BITS as u8]);
        if let Some(note) = &self.note {
            return fnv(hash, note);
        }
        let path = if self.path.is_empty() { b"/proc/self/exe" } else { self.path.as_slice() };
        if let Ok(stat) = rustix::fs::stat(std::ffi::OsStr::from_bytes(path)) {
            for part in
                [stat.st_dev, stat.st_ino, stat.st_size as u64, stat.st_mtime as u64, stat.st_mtime_nsec]
            {
                hash = fnv(hash, &part.to_le_bytes());
            }
        }
        hash
    }
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a: equality of builds and signatures needs no more, and it needs no dependency.
pub(crate) const fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(PRIME);
        i += 1;
    }
    hash
}

/// The hash of one piece of text: eight bytes in a step, since each call of a pool names its function by one.
pub(crate) fn hash_text(text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let step = |hash: u64, word: &[u8; 8]| {
        let hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME);
        // A product's upper half has what the next one needs.
        hash ^ hash >> 32
    };
    fnv(words.iter().fold(FNV_START, step), rest)
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> libc::c_int {
    // SAFETY: bounds and lifetime: the loader passes a valid record for the length of the call, and our own `Found`.
    // Aliasing: nobody else has them during the call.
    let (info, found) = unsafe { (&*info, &mut *data.cast::<Found>()) };
    // SAFETY: bounds: the loader's own count of headers. Aliasing: read only. Lifetime: the image stays loaded.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum as usize) };
    let base = info.dlpi_addr as usize;
    let range = |h: &libc::Elf64_Phdr| {
        let start = base + h.p_vaddr as usize;
        start..start + h.p_memsz as usize
    };
    let anchor = (&raw const ANCHOR) as usize;
    if !headers.iter().any(|h| h.p_type == libc::PT_LOAD && range(h).contains(&anchor)) {
        return 0;
    }
    found.base = base;
    for header in headers {
        match header.p_type {
            libc::PT_LOAD if header.p_flags & (libc::PF_W | libc::PF_X) == 0 => {
                found.constants.push(range(header))
            }
            libc::PT_GNU_RELRO => found.constants.push(range(header)),
            libc::PT_NOTE => {
                let notes = range(header);
                // SAFETY: bounds: a loaded segment as its header describes it. Aliasing: constant. Lifetime: as above.
                let notes = unsafe { std::slice::from_raw_parts(notes.start as *const u8, notes.len()) };
                found.note = found.note.take().or_else(|| build_id(notes));
            }
            _ => {}
        }
    }
    if !info.dlpi_name.is_null() {
        // SAFETY: bounds and lifetime: a C string of the loader's. Aliasing: read only.
        found.path = unsafe { std::ffi::CStr::from_ptr(info.dlpi_name) }.to_bytes().to_vec();
    }
    1
}

/// The description of the NT_GNU_BUILD_ID note, in a segment of notes.
fn build_id(mut notes: &[u8]) -> Option<Vec<u8>> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let word = |bytes: &[u8], at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    loop {
        let (name, desc, kind) = (word(notes, 0)? as usize, word(notes, 4)? as usize, word(notes, 8)?);
        let desc_at = 12 + name.next_multiple_of(4);
        let desc_bytes = notes.get(desc_at..desc_at.checked_add(desc)?)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..12 + name)? == b"GNU\0" {
            return Some(desc_bytes.to_vec());
        }
        notes = notes.get(desc_at + desc.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CONSTANT: [u64; 2] = [1, 2];

    #[test]
    fn constants_of_the_program_are_told_from_other_memory() {
        let image = Image::current();
        assert!(image.is_constant(CONSTANT.as_ptr() as usize, 16));
        let local = 0_u64;
        assert!(!image.is_constant((&raw const local) as usize, 8));
        assert!(!image.is_constant(fnv as *const () as usize, 1), "code is no constant");
        assert!(!image.is_constant(CONSTANT.as_ptr() as usize, usize::MAX), "a length that wraps");
    }

    #[test]
    fn a_torn_note_is_no_build_id() {
        let note = [4, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, b'G', b'N', b'U', 0, 7, 8, 0, 0];
        assert_eq!(build_id(&note), Some(vec![7, 8]));
        for len in 0..note.len() - 2 {
            assert_eq!(build_id(&note[..len]), None, "cut to {len}");
        }
    }
}
