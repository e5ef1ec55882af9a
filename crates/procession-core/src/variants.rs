//! Enumerations that know all of their values, for what finds one by its number.

/// Declares an enumeration, and `ALL`: its values in their order.
macro_rules! with_all {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident $(= $number:literal)?,)* }) => {
        $(#[$meta])*
        $vis enum $name { $($(#[$doc])* $variant $(= $number)?,)* }

        impl $name {
            const ALL: &[$name] = &[$($name::$variant,)*];
        }
    };
}
pub(crate) use with_all;
