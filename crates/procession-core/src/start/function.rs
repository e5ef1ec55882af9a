//! Which function: a static descriptor in the program's constants, named by its offset.
//!
//! An address means nothing in another process, and an arbitrary one could be any code. So what travels is the offset of
//! a descriptor and the signature that the sender believes it has; the receiver checks that the place lies within the
//! program's own constants, that a descriptor is there, and that it has that signature, before it calls anything.

use crate::{
    error::{Error, ErrorKind, Result},
    references::{Parcel, Share},
    sys::image::{Image, hash_text},
};
use std::sync::Arc;

/// How a function's run ended; what the bytes that go with it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// It returned; the bytes are its value.
    Value = 1,
    /// It panicked; the bytes say with what.
    Panicked = 2,
    /// Its argument or its value could not be decoded or encoded; the bytes say why.
    Codec = 3,
    /// The library refused to run it; the bytes are an error.
    Refused = 4,
}

impl Verdict {
    /// The verdict that the number stands for.
    #[inline]
    pub fn from_bits(bits: u8) -> Option<Verdict> {
        Some(match bits {
            1 => Verdict::Value,
            2 => Verdict::Panicked,
            3 => Verdict::Codec,
            4 => Verdict::Refused,
            _ => return None,
        })
    }

    /// The verdict for what the library could not do.
    pub fn refuse(error: &Error, out: &mut Parcel) -> Verdict {
        out.clear();
        error.encode(&mut out.bytes);
        Verdict::Refused
    }
}

/// A function that can be run in another process of the same program: bytes in, bytes out.
///
/// To be put into a constant, one for each function.
#[repr(C)]
#[derive(Debug)]
pub struct Descriptor {
    magic: [u64; 2],
    signature: fn() -> &'static str,
    run: Run,
}

/// How a function is called: an argument's bytes, the handles in it, and where its result goes.
pub type Run = fn(&[u8], &[Arc<Share>], &mut Parcel) -> Verdict;

const MAGIC: [u64; 2] = [0x7072_6f63_6573_7369, 0x1b5c_93d0_66e7_f42a];

impl Descriptor {
    /// A descriptor of `run`, whose arguments and result have the types that `signature` names. `run` must not panic.
    pub const fn new(signature: fn() -> &'static str, run: Run) -> Descriptor {
        Descriptor { magic: MAGIC, signature, run }
    }

    /// How to name it to another process.
    ///
    /// # Errors
    ///
    /// Unsupported when it doesn't lie in the executable that contains this library: a function of another shared
    /// library.
    pub fn id(&'static self) -> Result<FunctionId> {
        let image = Image::current();
        let address = std::ptr::from_ref(self) as usize;
        if !image.is_constant(address, size_of::<Descriptor>()) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{} lies in another shared library than procession; call it from the program",
                    (self.signature)()
                ),
            ));
        }
        Ok(FunctionId { offset: (address - image.base) as u64, signature: hash_text((self.signature)()) })
    }
}

/// Names a function to other processes of the same program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId {
    pub(crate) offset: u64,
    pub(crate) signature: u64,
}

impl FunctionId {
    /// The name as it travels.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.signature.to_le_bytes());
        bytes
    }

    /// The name at the beginning of these bytes.
    ///
    /// # Errors
    ///
    /// Corrupted when it's cut off.
    pub fn parse(bytes: &[u8]) -> Result<FunctionId> {
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        match (word(0), word(8)) {
            (Some(offset), Some(signature)) => Ok(FunctionId { offset, signature }),
            _ => Err(Error::corrupted("a function's name is cut off")),
        }
    }
}

/// A function of this process that was found by its name, and checked.
#[derive(Clone, Copy, Debug)]
pub struct Function(&'static Descriptor);

impl Function {
    /// Finds the function.
    ///
    /// # Errors
    ///
    /// Corrupted when no descriptor of that signature is at that place.
    pub fn resolve(id: FunctionId) -> Result<Function> {
        let image = Image::current();
        let wrong = || Error::corrupted(format_args!("there is no function {id:?} in this program"));
        let address = image.base.checked_add(id.offset as usize).ok_or_else(wrong)?;
        if address % align_of::<Descriptor>() != 0 || !image.is_constant(address, size_of::<Descriptor>()) {
            return Err(wrong());
        }
        let magic = address as *const [u64; 2];
        // SAFETY: bounds and alignment: checked above. Aliasing: constants of the image, which nobody writes. Lifetime:
        // the image that contains this code stays loaded.
        if unsafe { *magic } != MAGIC {
            return Err(wrong());
        }
        // SAFETY: bounds, aliasing, lifetime: as above. Validity: the 128-bit magic stands in front of descriptors only,
        // and the constants are the program's own, not shared memory; so its function pointers are valid.
        let descriptor = unsafe { &*(address as *const Descriptor) };
        if hash_text((descriptor.signature)()) != id.signature {
            return Err(wrong());
        }
        Ok(Function(descriptor))
    }

    /// Runs it in this process.
    #[inline]
    pub fn run(&self, argument: &[u8], shares: &[Arc<Share>], result: &mut Parcel) -> Verdict {
        (self.0.run)(argument, shares, result)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    static DOUBLE: Descriptor = Descriptor::new(
        || "u8 -> u8",
        |argument, _, result| {
            result.bytes.push(argument[0] * 2);
            Verdict::Value
        },
    );

    #[test]
    fn a_function_is_found_by_its_name() {
        let mut result = Parcel::default();
        let function = Function::resolve(DOUBLE.id().unwrap()).unwrap();
        assert_eq!(function.run(&[21], &[], &mut result), Verdict::Value);
        assert_eq!(result.bytes, [42]);
    }

    #[test]
    fn any_other_name_is_refused() {
        let id = DOUBLE.id().unwrap();
        for offset in (id.offset.saturating_sub(4096)..id.offset + 4096).filter(|o| *o != id.offset) {
            assert!(Function::resolve(FunctionId { offset, ..id }).is_err(), "at {offset:#x}");
        }
        for offset in [0, 1, u64::MAX, u64::MAX / 2] {
            assert!(Function::resolve(FunctionId { offset, ..id }).is_err());
        }
        assert!(Function::resolve(FunctionId { signature: id.signature + 1, ..id }).is_err());
    }

    #[test]
    fn a_descriptor_outside_the_program_has_no_name() {
        let elsewhere: &'static Descriptor =
            Box::leak(Box::new(Descriptor::new(|| "", |_, _, _| Verdict::Value)));
        assert!(elsewhere.id().unwrap_err().is_unsupported());
    }
}
