//! Copying few bytes. Most arguments and results are a few bytes long, and for those a call of `memcpy` costs more than
//! everything else that is done with them.

/// Copies `len` bytes; fast when there are at most 16.
///
/// # Safety
///
/// As for `ptr::copy_nonoverlapping`.
#[inline(always)]
pub(crate) unsafe fn copy(source: *const u8, target: *mut u8, len: usize) {
    // SAFETY: bounds: each access lies within the first `len` bytes of both sides, which the caller vouches for; the two
    // accesses of a branch may overlap each other, not the other side. Aliasing, lifetime: the caller's.
    unsafe {
        match len {
            // One by one, because such bytes were often written one by one a moment ago (a varint), and a wider read would
            // wait for those writes to leave the processor's store buffer. Volatile, or it would become a call again.
            0..=7 => {
                for i in 0..len {
                    target.add(i).write_volatile(source.add(i).read_volatile());
                }
            }
            8..=16 => {
                let end = source.add(len - 8).cast::<u64>().read_unaligned();
                target.cast::<u64>().write_unaligned(source.cast::<u64>().read_unaligned());
                target.add(len - 8).cast::<u64>().write_unaligned(end);
            }
            _ => target.copy_from_nonoverlapping(source, len),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_exactly() {
        let bytes: Vec<u8> = (1..=100).collect();
        for len in 0..=bytes.len() {
            let mut out = [0xff; 102];
            // SAFETY: bounds: both arrays are longer than 100 bytes. Aliasing: two arrays. Lifetime: for the call.
            unsafe { copy(bytes.as_ptr(), out.as_mut_ptr().add(1), len) };
            assert_eq!(out[1..=len], bytes[..len], "{len} bytes");
            assert!(out[0] == 0xff && out[len + 1..].iter().all(|byte| *byte == 0xff), "and no more");
        }
    }
}
