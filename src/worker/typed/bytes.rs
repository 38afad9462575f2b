//! Bytes, which JSON has no word for: they travel as `{"$bytes": "<base64>"}`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

const MEMBER: &str = "$bytes";

/// Bytes as an argument or a value.
///
/// In JSON they are `{"$bytes": "<base64>"}`; a client that sends `Accept: application/octet-stream` gets a
/// value as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        bytes.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {(MEMBER): {"type": "string", "contentEncoding": "base64"}},
            "required": [MEMBER],
            "additionalProperties": false
        })
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(MEMBER, &STANDARD.encode(&self.0))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Wrapped)
    }
}

struct Wrapped;

impl<'de> Visitor<'de> for Wrapped {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"bytes as {"$bytes":"<base64>"}"#)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bytes, A::Error> {
        match map.next_key::<String>()? {
            Some(key) if key == MEMBER => {}
            Some(key) => return Err(de::Error::unknown_field(&key, &[MEMBER])),
            None => return Err(de::Error::missing_field(MEMBER)),
        }
        let encoded: String = map.next_value()?;
        if let Some(key) = map.next_key::<String>()? {
            return Err(de::Error::unknown_field(&key, &[MEMBER]));
        }
        STANDARD.decode(encoded).map(Bytes).map_err(|error| de::Error::custom(format!("no base64: {error}")))
    }
}
