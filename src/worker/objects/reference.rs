//! References to shared objects: `{"$forkpool": "/v1/queues/q"}`, as an argument and as a value.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::call_socket;
use super::error::ObjectError;

const MEMBER: &str = "$forkpool";

thread_local! {
    /// Why the reference that was read last is none: an error of serde's is a text alone.
    static REFUSED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What was wrong with a reference since this was last asked.
pub fn refused() -> Option<String> {
    REFUSED.take()
}

/// Where an object is.
#[derive(Clone, PartialEq, Eq)]
pub struct Reference(Arc<str>);

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Reference {
    /// The object at `path`, which must be of this kind (`queues`); what it is, and its memory.
    pub fn open(path: &str, kind: &str) -> Result<(Self, Bytes, Option<OwnedFd>), ObjectError> {
        let found = path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next());
        if found != Some(kind) {
            let detail = format!("{path} is not one of /v1/{kind}");
            return Err(ObjectError { code: "unknown-object".into(), detail, exception: None });
        }
        let (told, memory) = call_socket::open(path)?;
        Ok((Self(path.into()), told, memory))
    }

    /// The path.
    pub fn path(&self) -> &str {
        &self.0
    }

    /// A method that returns what is of no interest.
    pub fn run(&self, method: &str, arguments: &str) -> Result<(), ObjectError> {
        call_socket::call(&self.0, method, arguments).map(drop)
    }

    /// A method that returns a value.
    pub fn ask<T: DeserializeOwned>(&self, method: &str, arguments: &str) -> Result<T, ObjectError> {
        let told = call_socket::call(&self.0, method, arguments)?;
        serde_json::from_slice(if told.is_empty() { b"null" } else { &told }).map_err(|error| {
            let detail = format!("{method} of {}: the value is none of the type's: {error}", self.0);
            ObjectError::local(detail)
        })
    }

    /// A method whose failure by this code is no error but `None`.
    pub fn ask_or<T: DeserializeOwned>(
        &self,
        code: &str,
        method: &str,
        arguments: &str,
    ) -> Result<Option<T>, ObjectError> {
        match self.ask(method, arguments) {
            Err(error) if error.code == code || error.exception() == Some(code) => Ok(None),
            told => told.map(Some),
        }
    }
}

/// A value's JSON.
pub fn said<T: Serialize + ?Sized>(value: &T) -> Result<String, ObjectError> {
    serde_json::to_string(value).map_err(|error| ObjectError::local(format!("no JSON: {error}")))
}

/// The arguments of a wait: `None` has no end.
pub fn timeout(timeout: Option<Duration>) -> String {
    timeout.map_or_else(String::new, |timeout| {
        format!("{{\"timeout\":{}}}", timeout.as_secs_f64().min(86_400.0))
    })
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(MEMBER, &*self.0)?;
        map.end()
    }
}

/// Reads a reference and opens what it names.
pub fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    open: impl FnOnce(&str) -> Result<T, ObjectError>,
) -> Result<T, D::Error> {
    let path = deserializer.deserialize_map(Wrapped)?;
    open(&path).map_err(|error| {
        if error.code == "unknown-object" {
            REFUSED.set(Some(error.detail.clone()));
        }
        de::Error::custom(error)
    })
}

struct Wrapped;

impl<'de> Visitor<'de> for Wrapped {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a shared object as {"$forkpool":"/v1/…"}"#)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        match map.next_key::<String>()? {
            Some(key) if key == MEMBER => {}
            Some(key) => return Err(de::Error::unknown_field(&key, &[MEMBER])),
            None => return Err(de::Error::missing_field(MEMBER)),
        }
        let path = map.next_value()?;
        if let Some(key) = map.next_key::<String>()? {
            return Err(de::Error::unknown_field(&key, &[MEMBER]));
        }
        Ok(path)
    }
}

/// What every type of shared object has: it is opened by its path, read from a reference and written as one.
macro_rules! object {
    ($name:ident $(<$($parameter:ident),+>)?, $kind:literal, $made:expr) => {
        impl$(<$($parameter),+>)? $name$(<$($parameter),+>)? {
            /// The object at a path of the API. In a function's arguments it is opened by its type alone.
            pub fn open(path: &str) -> Result<Self, $crate::worker::objects::ObjectError> {
                let (at, _, _) = $crate::worker::objects::reference::Reference::open(path, $kind)?;
                Ok($made(at))
            }

            /// Its path.
            #[must_use]
            pub fn path(&self) -> &str {
                self.at.path()
            }
        }

        $crate::worker::objects::reference::object!(@serde $name $(<$($parameter),+>)?);
    };
    (@serde $name:ident $(<$($parameter:ident),+>)? $(where $bound:ident: $trait:ident)?) => {
        impl<'de, $($($parameter),+)?> serde::Deserialize<'de> for $name$(<$($parameter),+>)?
        $(where $bound: $trait)?
        {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::worker::objects::reference::read(deserializer, Self::open)
            }
        }

        impl$(<$($parameter),+>)? serde::Serialize for $name$(<$($parameter),+>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.at.serialize(serializer)
            }
        }

        impl$(<$($parameter),+>)? std::fmt::Debug for $name$(<$($parameter),+>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.at).finish()
            }
        }
    };
}
pub(super) use object;
