//! The attributes of the [`procession`](https://docs.rs/procession) crate, which re-exports them.

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemFn, parse_macro_input};

/// Calls `procession::init()` as the first statement of `main`.
///
/// ```ignore
/// #[procession::main]
/// fn main() -> procession::Result<()> {
///     procession::Process::spawn(|| println!("in a process of its own"), ())?.join()?;
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(arguments, item, "main", |function| {
        let ItemFn { attrs, vis, sig, block, .. } = function;
        quote! {
            #(#attrs)* #vis #sig {
                ::procession::init();
                #block
            }
        }
    })
}

/// A test that may start processes, under the standard test harness: `cargo test` and nextest, with all their arguments.
///
/// A process that such a test starts is the test program again, told to run one test only; that test's first statement is
/// `procession::init()`, where the process runs its function instead.
///
/// ```ignore
/// #[procession::test]
/// fn adds() {
///     let process = procession::Process::spawn(|a: u32, b: u32| a + b, (2, 3)).unwrap();
///     assert_eq!(process.join().unwrap(), 5);
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(arguments, item, "a test", |function| {
        let ItemFn { attrs, vis, sig, block, .. } = function;
        let name = sig.ident.to_string();
        quote! {
            #[::core::prelude::v1::test]
            #(#attrs)* #vis #sig {
                ::procession::macro_support::set_test_entry(::std::env::args().take(1).chain([
                    ::procession::macro_support::test_name(::core::module_path!(), #name),
                    "--exact".into(),
                    "--nocapture".into(),
                    "--include-ignored".into(),
                    "--test-threads=1".into(),
                ]));
                ::procession::init();
                #block
            }
        }
    })
}

fn expand(
    arguments: TokenStream,
    item: TokenStream,
    what: &str,
    write: impl FnOnce(ItemFn) -> proc_macro2::TokenStream,
) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let refuse =
        |at: &dyn quote::ToTokens, why: String| syn::Error::new_spanned(at, why).to_compile_error().into();
    if !arguments.is_empty() {
        return refuse(&function.sig.ident, format!("the attribute of {what} takes no arguments"));
    }
    if function.sig.asyncness.is_some() {
        return refuse(
            &function.sig,
            format!("{what} can't be async here: start the runtime inside it, after procession::init()"),
        );
    }
    if !function.sig.inputs.is_empty() {
        return refuse(&function.sig.inputs, format!("{what} takes no parameters"));
    }
    write(function).into()
}
