//! From a value to its JSON, by `serde_json`, with two differences: a float that JSON has no word for is an
//! error and not `null`, and an error knows its place in the value.
//!
//! The place is put together while the error comes back up; a value that is written well pays nothing for it.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use serde::ser::{self, Serialize, Serializer};

use crate::worker::native::Raised;

/// What a top-level value was.
pub enum Written {
    /// Any value; its JSON was appended.
    Value,
    /// A `Result`'s `Err`, as JSON; nothing was appended.
    Err(String),
}

/// Appends the value's JSON. Of a `Result` it is the `Ok`'s content.
pub fn value<T: Serialize>(value: &T, output: &mut Vec<u8>) -> Result<Written, Raised> {
    let start = output.len();
    let trace = Trace::default();
    trace.result.set(true);
    append(value, output, &trace)?;
    if !trace.raised.get() {
        return Ok(Written::Value);
    }
    let error = String::from_utf8_lossy(&output[start..]).into_owned();
    output.truncate(start);
    Ok(Written::Err(error))
}

/// Appends the value's JSON.
pub fn data<T: Serialize>(value: &T, output: &mut Vec<u8>) -> Result<(), Raised> {
    append(value, output, &Trace::default())
}

fn append<T: Serialize>(value: &T, output: &mut Vec<u8>, trace: &Trace) -> Result<(), Raised> {
    let inner = &mut serde_json::Serializer::new(output);
    value.serialize(Strict { inner, trace }).map_err(|error| Raised::NotJson {
        message: error.to_string(),
        path: Path::of(trace.path.borrow().iter().rev()),
    })
}

/// A step into a value.
#[derive(Debug)]
enum Step {
    Member(String),
    Item(usize),
}

/// Places in a value, as text.
pub struct Path;

impl Path {
    /// `$.kwargs.name`.
    pub fn keyword(name: &str) -> String {
        Self::of([Step::Member("kwargs".into()), Step::Member(name.into())].iter())
    }

    /// `$.name`.
    pub fn member(name: &str) -> String {
        Self::of([Step::Member(name.into())].iter())
    }

    fn of<'a>(steps: impl Iterator<Item = &'a Step>) -> String {
        let mut path = "$".to_owned();
        for step in steps {
            // Writing to a text can't fail.
            let _ = match step {
                Step::Item(index) => write!(path, "[{index}]"),
                Step::Member(name) if is_plain(name) => write!(path, ".{name}"),
                Step::Member(name) => write!(path, "[{}]", serde_json::Value::from(name.as_str())),
            };
        }
        path
    }
}

fn is_plain(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_numeric())
        && !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[derive(Default)]
struct Trace {
    /// The steps to the error, the innermost first.
    path: RefCell<Vec<Step>>,
    /// Whether what comes next is the whole value, whose `Ok` and `Err` have a meaning.
    result: Cell<bool>,
    /// Whether it was an `Err`.
    raised: Cell<bool>,
}

impl Trace {
    fn within<'t, T: ?Sized>(&'t self, value: &'t T) -> Within<'t, T> {
        Within { value, trace: self }
    }

    /// The error came from this step.
    fn at<E>(&self, step: impl FnOnce() -> Step) -> impl FnOnce(E) -> E {
        move |error| {
            self.path.borrow_mut().push(step());
            error
        }
    }
}

/// A part of the value.
struct Within<'t, T: ?Sized> {
    value: &'t T,
    trace: &'t Trace,
}

impl<T: Serialize + ?Sized> Serialize for Within<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Strict { inner: serializer, trace: self.trace })
    }
}

/// A serializer around another.
struct Strict<'t, S> {
    inner: S,
    trace: &'t Trace,
}

impl<'t, S: Serializer> Strict<'t, S> {
    fn part<C>(self, part: impl FnOnce(S) -> Result<C, S::Error>) -> Result<Parts<'t, C>, S::Error> {
        self.trace.result.set(false);
        Ok(Parts { inner: part(self.inner)?, trace: self.trace, at: 0 })
    }
}

macro_rules! forward {
    ($($method:ident($($name:ident: $kind:ty),*);)*) => {$(
        fn $method(self $(, $name: $kind)*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($name),*)
        }
    )*};
}

impl<'t, S: Serializer> Serializer for Strict<'t, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'t, S::SerializeSeq>;
    type SerializeTuple = Parts<'t, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'t, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'t, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'t, S::SerializeMap>;
    type SerializeStruct = Parts<'t, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'t, S::SerializeStructVariant>;

    forward! {
        serialize_bool(v: bool);
        serialize_i8(v: i8);
        serialize_i16(v: i16);
        serialize_i32(v: i32);
        serialize_i64(v: i64);
        serialize_i128(v: i128);
        serialize_u8(v: u8);
        serialize_u16(v: u16);
        serialize_u32(v: u32);
        serialize_u64(v: u64);
        serialize_u128(v: u128);
        serialize_char(v: char);
        serialize_str(v: &str);
        serialize_bytes(v: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_f32(self, v: f32) -> Result<S::Ok, S::Error> {
        if v.is_finite() { self.inner.serialize_f32(v) } else { Err(no_number(v.into())) }
    }

    fn serialize_f64(self, v: f64) -> Result<S::Ok, S::Error> {
        if v.is_finite() { self.inner.serialize_f64(v) } else { Err(no_number(v)) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.trace.result.set(false);
        self.inner.serialize_some(&self.trace.within(value))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.trace.result.set(false);
        self.inner.serialize_newtype_struct(name, &self.trace.within(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        // So serde says the standard library's `Result`.
        if self.trace.result.replace(false) && name == "Result" {
            self.trace.raised.set(variant == "Err");
            return value.serialize(self);
        }
        let part = self.trace.within(value);
        self.inner
            .serialize_newtype_variant(name, index, variant, &part)
            .map_err(self.trace.at(|| Step::Member(variant.into())))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.part(|inner| inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.part(|inner| inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.part(|inner| inner.serialize_tuple_struct(name, len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.part(|inner| inner.serialize_tuple_variant(name, index, variant, len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.part(|inner| inner.serialize_map(len))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.part(|inner| inner.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.part(|inner| inner.serialize_struct_variant(name, index, variant, len))
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

fn no_number<E: ser::Error>(number: f64) -> E {
    E::custom(format_args!("the number {number} cannot be said in JSON"))
}

/// The parts of an array or an object.
struct Parts<'t, C> {
    inner: C,
    trace: &'t Trace,
    at: usize,
}

macro_rules! items {
    ($($kind:ident $method:ident;)*) => {$(
        impl<C: ser::$kind> ser::$kind for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let at = self.at;
                self.at += 1;
                self.inner.$method(&self.trace.within(value)).map_err(self.trace.at(|| Step::Item(at)))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

items! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! members {
    ($($kind:ident)*) => {$(
        impl<C: ser::$kind> ser::$kind for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                let part = self.trace.within(value);
                self.inner.serialize_field(key, &part).map_err(self.trace.at(|| Step::Member(key.into())))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

members!(SerializeStruct SerializeStructVariant);

impl<C: ser::SerializeMap> ser::SerializeMap for Parts<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(&self.trace.within(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let at = self.at;
        self.at += 1;
        self.inner.serialize_value(&self.trace.within(value)).map_err(self.trace.at(|| Step::Item(at)))
    }

    fn serialize_entry<K, V>(&mut self, key: &K, value: &V) -> Result<(), C::Error>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        let step = || {
            let text = serde_json::to_value(key).ok();
            let name = text.as_ref().and_then(serde_json::Value::as_str).map(str::to_owned);
            Step::Member(name.or_else(|| text.map(|text| text.to_string())).unwrap_or_default())
        };
        self.inner.serialize_key(&self.trace.within(key))?;
        self.inner.serialize_value(&self.trace.within(value)).map_err(self.trace.at(step))
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
