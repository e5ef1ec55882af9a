//! Functions that can run in another process. The one file of this crate that uses unsafe code: a function value of size
//! zero is made again from nothing where it runs.

#![allow(unsafe_code)]

use crate::{
    codec,
    panics::{self, PanicInfo},
};
use procession_core::{
    Parcel, Share,
    start::{Descriptor, Verdict},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{any::type_name, marker::PhantomData, sync::Arc};

/// A function that can run in another process, with the arguments `Args`: a tuple of up to eight.
///
/// Implemented for every `fn` item and every closure that captures nothing, whose arguments and result are `serde`
/// values. Whether a closure captures is checked when the program is compiled:
///
/// ```compile_fail
/// # fn main() -> procession::Result<()> {
/// let factor = 3;
/// procession::Process::spawn(move |n: u64| n * factor, (2,))?; // captures `factor`: pass it as an argument
/// # Ok(()) }
/// ```
///
/// What the compiler says of it, and means:
///
/// - *implementation of `Deserialize` is not general enough*: a parameter is a reference. Take a `String` instead of a `&str`.
/// - *closure may outlive the current function … use the `move` keyword*: it captures something. `move` won't help, an argument will.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't run in another process with the arguments `{Args}`",
    label = "not a function of these arguments that can travel",
    note = "it must be a `fn` item or a closure that captures nothing, of up to eight parameters",
    note = "arguments are a tuple with one item for each parameter: `()`, `(a,)`, `(a, b)`, …",
    note = "each argument, and what it returns, must be `serde::Serialize + serde::de::DeserializeOwned`"
)]
pub trait Task<Args>: 'static {
    /// What it returns.
    type Output: Serialize + DeserializeOwned;

    /// Calls it. Not for use by hand.
    #[doc(hidden)]
    fn call(arguments: Args) -> Self::Output;
}

/// The function value of a type that has only one, and no content.
fn recall<F: 'static>() -> F {
    const {
        assert!(
            size_of::<F>() == 0,
            "a closure that captures variables, or a pointer to a function, can't travel to another process: \
             give the function itself, and what it needs as arguments"
        );
        assert!(!std::mem::needs_drop::<F>(), "this closure captures something that must be dropped");
    }
    // SAFETY: bounds: a value of size zero has no bytes that could be wrong (asserted above). Aliasing: none. Validity and
    // lifetime: `F` is the type of a function that a caller of this library had a value of and gave away for this purpose
    // (every public function that leads here takes one), so the type is inhabited, and it's `'static`.
    unsafe { std::mem::transmute_copy(&()) }
}

/// A function that gets a pool's workers ready, with the arguments `Args`: a tuple of up to eight.
///
/// Implemented for every `fn` item and every closure that captures nothing. What it returns stays in the worker, so it can be
/// anything.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't initialise a worker with the arguments `{Args}`",
    label = "not a function of these arguments that can travel",
    note = "it must be a `fn` item or a closure that captures nothing, of up to eight parameters",
    note = "arguments are a tuple with one item for each parameter: `()`, `(a,)`, `(a, b)`, …"
)]
pub trait Initializer<Args>: 'static {
    /// What it returns.
    type State: 'static;

    /// Calls it. Not for use by hand.
    #[doc(hidden)]
    fn call(arguments: Args) -> Self::State;
}

macro_rules! tasks {
    ($($name:ident)*) => {
        impl<F, R, $($name),*> Task<($($name,)*)> for F
        where
            F: Fn($($name),*) -> R + 'static,
            R: Serialize + DeserializeOwned,
        {
            type Output = R;

            #[allow(non_snake_case, reason = "the parameters are named like their types")]
            fn call(($($name,)*): ($($name,)*)) -> R {
                recall::<F>()($($name),*)
            }
        }

        impl<F, R, $($name),*> Initializer<($($name,)*)> for F
        where
            F: Fn($($name),*) -> R + 'static,
            R: 'static,
        {
            type State = R;

            #[allow(non_snake_case, reason = "the parameters are named like their types")]
            fn call(($($name,)*): ($($name,)*)) -> R {
                recall::<F>()($($name),*)
            }
        }
    };
}

tasks!();
tasks!(A);
tasks!(A B);
tasks!(A B C);
tasks!(A B C D);
tasks!(A B C D E);
tasks!(A B C D E G);
tasks!(A B C D E G H);
tasks!(A B C D E G H I);

/// The descriptor of a function with given arguments.
pub(crate) fn descriptor<F, Args>() -> &'static Descriptor
where
    F: Task<Args>,
    Args: DeserializeOwned,
{
    Entry::<F, Args>::DESCRIPTOR
}

struct Entry<F, Args>(PhantomData<(F, Args)>);

impl<F: Task<Args>, Args: DeserializeOwned> Entry<F, Args> {
    const DESCRIPTOR: &'static Descriptor =
        &Descriptor::new(type_name::<(F, Args, F::Output)>, run::<F, Args>);
}

/// Runs the function: arguments in, verdict and result out.
fn run<F: Task<Args>, Args: DeserializeOwned>(
    arguments: &[u8],
    shares: &[Arc<Share>],
    result: &mut Parcel,
) -> Verdict {
    // Decoding, encoding and dropping run the types' own code, which may panic like the function.
    let outcome = panics::catch(|| match codec::decode::<Args>(arguments, shares) {
        Ok(arguments) => codec::encode(&F::call(arguments), &mut result.bytes),
        Err(e) => Err(e),
    });
    verdict(outcome, result)
}

/// How a run ended: the handles in its value, which has been encoded, or what went wrong instead.
#[inline]
pub(crate) fn verdict(
    outcome: Result<procession_core::Result<Vec<Arc<Share>>>, PanicInfo>,
    result: &mut Parcel,
) -> Verdict {
    match outcome {
        Ok(Ok(shares)) => {
            if !shares.is_empty() {
                result.shares = shares;
            }
            Verdict::Value
        }
        Ok(Err(e)) => {
            result.clear();
            e.encode(&mut result.bytes);
            Verdict::Codec
        }
        Err(info) => {
            result.clear();
            let encoded = codec::encode(&info, &mut result.bytes);
            debug_assert!(encoded.is_ok(), "text can always be encoded");
            Verdict::Panicked
        }
    }
}
