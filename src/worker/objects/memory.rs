//! Values and arrays: numbers in memory that the server and all its workers map.

use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use serde::Deserialize;

use super::error::ObjectError;
use super::locks::{Guard, acquire, acquire_at_last};
use super::reference::{Reference, object};
use crate::sys::{SharedItems, Width};

/// A number that can be in shared memory.
pub trait Cell: Copy {
    /// The typecodes of such numbers.
    #[doc(hidden)]
    const CODES: &'static [char];
    /// Its size.
    #[doc(hidden)]
    const WIDTH: Width;
    /// Its name.
    #[doc(hidden)]
    const NAME: &'static str;
    #[doc(hidden)]
    fn from_bits(bits: u64) -> Self;
    #[doc(hidden)]
    fn bits(self) -> u64;
}

macro_rules! cells {
    ($($name:ident $width:ident $codes:expr, $to:expr, $from:expr;)*) => {$(
        impl Cell for $name {
            const CODES: &'static [char] = &$codes;
            const WIDTH: Width = Width::$width;
            const NAME: &'static str = stringify!($name);

            fn from_bits(bits: u64) -> Self {
                $from(bits.to_le_bytes())
            }

            fn bits(self) -> u64 {
                u64::from($to(self))
            }
        }
    )*};
}

cells! {
    i8 One ['b'], i8::cast_unsigned, |[a, ..]: [u8; 8]| i8::from_le_bytes([a]);
    u8 One ['B', 'c'], u8::from, |[a, ..]: [u8; 8]| a;
    i16 Two ['h'], i16::cast_unsigned, |[a, b, ..]: [u8; 8]| i16::from_le_bytes([a, b]);
    u16 Two ['H'], u16::from, |[a, b, ..]: [u8; 8]| u16::from_le_bytes([a, b]);
    i32 Four ['i'], i32::cast_unsigned, |[a, b, c, d, ..]: [u8; 8]| i32::from_le_bytes([a, b, c, d]);
    u32 Four ['I', 'u'], u32::from, |[a, b, c, d, ..]: [u8; 8]| u32::from_le_bytes([a, b, c, d]);
    i64 Eight ['l', 'q'], i64::cast_unsigned, i64::from_le_bytes;
    u64 Eight ['L', 'Q'], u64::from, u64::from_le_bytes;
    f32 Four ['f'], f32::to_bits, |[a, b, c, d, ..]: [u8; 8]| f32::from_le_bytes([a, b, c, d]);
    f64 Eight ['d'], f64::to_bits, f64::from_le_bytes;
}

#[derive(Deserialize)]
struct MemoryPayload {
    typecode: char,
    #[serde(default = "one")]
    length: usize,
}

fn one() -> usize {
    1
}

/// Opens and maps; without memory where there is nothing in it.
fn map<T: Cell>(
    payload: &[u8],
    memory: Option<OwnedFd>,
) -> Result<(Option<SharedItems>, usize), ObjectError> {
    let MemoryPayload { typecode, length } =
        serde_json::from_slice(payload).map_err(|error| ObjectError::local(error.to_string()))?;
    if !T::CODES.contains(&typecode) {
        let detail =
            format!("its typecode is {typecode:?}, and this one's would be {:?} ({})", T::CODES, T::NAME);
        return Err(ObjectError { code: "unknown-object".into(), detail, exception: None });
    }
    let bytes = length.checked_mul(size_of::<T>()).and_then(NonZeroUsize::new);
    let memory = memory.zip(bytes).map(|(memory, bytes)| SharedItems::map(memory.as_fd(), bytes)).transpose();
    Ok((memory.map_err(|error| ObjectError::local(format!("its memory can't be mapped: {error}")))?, length))
}

/// A number in shared memory, as an argument: `{"$forkpool": "/v1/values/v"}`. To read it, change it and write it
/// as one, hold its lock.
pub struct Value<T> {
    at: Reference,
    memory: Option<SharedItems>,
    number: PhantomData<fn(T) -> T>,
}

impl<T: Cell> Value<T> {
    /// The object at a path of the API. In a function's arguments it is opened by its type alone.
    pub fn open(path: &str) -> Result<Self, ObjectError> {
        let (at, told, memory) = Reference::open(path, "values")?;
        Ok(Self { at, memory: map::<T>(&told, memory)?.0, number: PhantomData })
    }

    /// What it is.
    pub fn get(&self) -> T {
        T::from_bits(self.memory.as_ref().map_or(0, |memory| memory.load(0, T::WIDTH)))
    }

    /// Sets it.
    pub fn set(&self, number: T) {
        if let Some(memory) = &self.memory {
            memory.store(0, T::WIDTH, number.bits());
        }
    }
}

/// Numbers in shared memory, as an argument: `{"$forkpool": "/v1/arrays/a"}`.
pub struct Array<T> {
    at: Reference,
    memory: Option<SharedItems>,
    length: usize,
    numbers: PhantomData<fn(T) -> T>,
}

impl<T: Cell> Array<T> {
    /// The object at a path of the API. In a function's arguments it is opened by its type alone.
    pub fn open(path: &str) -> Result<Self, ObjectError> {
        let (at, told, memory) = Reference::open(path, "arrays")?;
        let (memory, length) = map::<T>(&told, memory)?;
        Ok(Self { at, memory, length, numbers: PhantomData })
    }

    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The number at this index.
    pub fn get(&self, index: usize) -> Option<T> {
        let memory = self.memory.as_ref().filter(|_| index < self.length)?;
        Some(T::from_bits(memory.load(index, T::WIDTH)))
    }

    /// Sets the number at this index; `None` if there is none.
    #[must_use = "beyond the end nothing is set"]
    pub fn set(&self, index: usize, number: T) -> Option<()> {
        let memory = self.memory.as_ref().filter(|_| index < self.length)?;
        memory.store(index, T::WIDTH, number.bits());
        Some(())
    }

    /// All numbers.
    pub fn to_vec(&self) -> Vec<T> {
        (0..self.length).map_while(|index| self.get(index)).collect()
    }
}

macro_rules! locked {
    ($($name:ident)*) => {$(
        impl<T> $name<T> {
            /// Its path.
            #[must_use]
            pub fn path(&self) -> &str {
                self.at.path()
            }

            /// Waits until its lock is this thread's. Nobody is kept from the memory but those who lock, too.
            pub fn lock(&self) -> Result<Guard, ObjectError> {
                acquire_at_last(&self.at)
            }

            /// The same for some time.
            pub fn lock_timeout(&self, wait: Duration) -> Result<Option<Guard>, ObjectError> {
                acquire(&self.at, Some(wait))
            }
        }

        object!(@serde $name<T> where T: Cell);
    )*};
}

locked!(Value Array);
