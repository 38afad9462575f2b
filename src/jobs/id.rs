//! Job ids: UUIDv7, so that an id tells its age and ids sort by it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::{Uuid, Variant, Version};

/// A job's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl Default for JobId {
    fn default() -> Self {
        Self::new()
    }
}

impl JobId {
    /// A new id, larger than all before it in this process.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Reads the form that [`fmt::Display`] writes; `None` for anything else, other UUIDs included.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok()?;
        let ours = id.get_version() == Some(Version::SortRand) && id.get_variant() == Variant::RFC4122;
        (ours && text.len() == 36).then_some(Self(id))
    }

    /// As [`fmt::Display`] writes it, without an allocation.
    pub fn encode<'a>(&self, text: &'a mut [u8; 36]) -> &'a str {
        self.0.hyphenated().encode_lower(text)
    }

    /// Its sixteen bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// When it was made, to the millisecond.
    pub fn made_at(&self) -> SystemTime {
        let (seconds, nanoseconds) = self.0.get_timestamp().map_or((0, 0), |stamp| stamp.to_unix());
        UNIX_EPOCH + Duration::new(seconds, nanoseconds)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_tells_its_age() {
        let before = SystemTime::now() - Duration::from_millis(1);
        let id = JobId::new();
        assert_eq!(JobId::parse(&id.to_string()), Some(id));
        assert!(id.made_at() >= before && id.made_at() <= SystemTime::now());
        assert!(JobId::new() > id);
    }

    #[test]
    fn what_is_no_uuid_of_version_7_is_no_id() {
        for text in ["", "x", "00000000-0000-0000-0000-000000000000", "9b2c3f6e-7a51-4c1e-8d0f-2f6a3b9f1c11"]
        {
            assert_eq!(JobId::parse(text), None, "{text}");
        }
        assert_eq!(JobId::parse(&JobId::new().to_string().replace('-', "")), None);
    }
}
