//! Functions over Rust types: arguments are decoded, the value is written, what doesn't fit is told by its
//! path.
//!
//! A function's types are in its own type alone; everything is decided when it is registered, and a call
//! costs what its types cost.

mod arguments;
mod bytes;
mod names;
mod outcome;
pub(super) mod schemas;
mod write;
mod yielded;

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use super::native::Body;
use arguments::{Slots, read};
pub use bytes::Bytes;
pub use outcome::{Outcome, Returned};
pub use schemas::Described;
pub(super) use write::Path;
pub use yielded::{MayYield, Yielded, Yields};

/// What can be registered: a `Fn` of up to six parameters that are `Deserialize`, whose value is an
/// [`Outcome`].
///
/// `M` tells the implementations apart and is inferred.
#[diagnostic::on_unimplemented(
    message = "this can't be registered as a function",
    note = "it needs 0 to 6 parameters of written types that implement `serde::Deserialize` without \
            borrowing (`String`, not `&str`), and must not borrow what it captures (`move`)",
    note = "it returns a value that implements `serde::Serialize`, or a `Result` of one and of a \
            `std::error::Error` or a `String`"
)]
pub trait Typed<M>: 'static {
    /// The names of the parameters, as many as there are.
    type Names: AsRef<[&'static str]> + 'static;

    /// The types of the parameters and of what is returned.
    #[doc(hidden)]
    fn types() -> (Vec<&'static str>, &'static str);

    /// Which of the parameters may be left out.
    #[doc(hidden)]
    fn optional() -> Vec<bool>;

    /// The function over raw JSON; without names it takes no keyword arguments.
    #[doc(hidden)]
    fn body(self, names: Option<Self::Names>) -> Body;
}

macro_rules! typed {
    ($($parameter:ident $slot:ident),*) => {
        typed!(@described $($parameter)*);

        impl<F, R, M, $($parameter,)*> Typed<(M, fn($($parameter),*) -> R)> for F
        where
            F: Fn($($parameter),*) -> R + 'static,
            R: Outcome<M>,
            $($parameter: DeserializeOwned,)*
        {
            type Names = [&'static str; typed!(@count $($parameter)*)];

            fn types() -> (Vec<&'static str>, &'static str) {
                (vec![$(std::any::type_name::<$parameter>()),*], R::shown())
            }

            fn optional() -> Vec<bool> {
                vec![$(arguments::may_be_absent::<$parameter>()),*]
            }

            fn body(self, names: Option<Self::Names>) -> Body {
                Box::new(move |arguments, output| {
                    let [$($slot),*] = Slots::of(&arguments, names.as_ref())?.0;
                    self($(read::<$parameter>(&$slot)?),*).write(output)
                })
            }
        }
    };
    (@described $($parameter:ident)*) => {
        impl<F, R, M, $($parameter,)*> Described<(M, fn($($parameter),*) -> R)> for F
        where
            F: Fn($($parameter),*) -> R + 'static,
            R: Outcome<M> + Returned<M>,
            $($parameter: DeserializeOwned + JsonSchema,)*
        {
            fn schemas() -> (Vec<Schema>, Schema) {
                (vec![$(schemas::argument::<$parameter>()),*], R::schema())
            }
        }
    };
    (@count) => { 0 };
    (@count $first:ident $($rest:ident)*) => { 1 + typed!(@count $($rest)*) };
}

typed!();
typed!(A a);
typed!(A a, B b);
typed!(A a, B b, C c);
typed!(A a, B b, C c, D d);
typed!(A a, B b, C c, D d, E e);
typed!(A a, B b, C c, D d, E e, G g);

/// How a function is called, for people: `(image: String, size: u32) -> Thumbnail`.
pub(super) fn signature<M, F: Typed<M>>(names: Option<&[&str]>) -> String {
    let (parameters, value) = F::types();
    let shown = parameters.iter().enumerate().map(|(at, parameter)| {
        let parameter = names::short(parameter);
        names.and_then(|names| names.get(at)).map_or(parameter.clone(), |name| format!("{name}: {parameter}"))
    });
    let arguments = shown.collect::<Vec<_>>().join(", ");
    match value {
        "()" => format!("({arguments})"),
        value => format!("({arguments}) -> {}", names::short(value)),
    }
}

#[cfg(test)]
mod tests;
