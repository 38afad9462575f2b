//! What a function yields one by one: its value is the list of it.

use std::any::type_name;

use schemars::Schema;

use super::outcome::{Outcome, Returned};
use crate::worker::current;
use crate::worker::native::Raised;
use crate::worker::yielding::Yielding;

/// Of a function that returns it, the value is the list of what the iterator gives: made, and written, one by one. An
/// item may be anything that a function may return; with the first that is an error the call has failed.
///
/// A client that asks for lines or events is told each item as it comes. The iterator is then asked for the next as the
/// client takes them, and dropped when the client leaves.
///
/// ```
/// use std::io::{BufRead, BufReader};
///
/// let functions = forkpool::Functions::new()
///     .register("countdown", |from: u32| forkpool::Yielded((0..from).rev()))
///     .register("lines", |path: String| {
///         let file = std::fs::File::open(path)?;
///         Ok::<_, std::io::Error>(forkpool::Yielded(BufReader::new(file).lines()))
///     });
/// ```
#[derive(Debug, Clone)]
pub struct Yielded<I>(pub I);

/// See [`Outcome`]: of items that are outcomes.
#[derive(Debug)]
pub struct Yields<M>(M);
/// See [`Outcome`]: the same, or an error in the place of all.
#[derive(Debug)]
pub struct MayYield<M>(M);

impl<I, M> Outcome<Yields<M>> for Yielded<I>
where
    I: IntoIterator,
    I::Item: Outcome<M>,
{
    fn write(self, output: &mut Vec<u8>) -> Result<(), Raised> {
        if let Some(stream) = current::take_yields() {
            return tell(Yielding::to(stream), self.0, output);
        }
        let (start, bytes_max) = (output.len(), current::result_bytes_max());
        output.push(b'[');
        for (at, item) in self.0.into_iter().enumerate() {
            if at > 0 {
                output.push(b',');
            }
            item.write(output).map_err(|raised| raised.within(at))?;
            // The bracket that is to come counts.
            if output.len() - start >= bytes_max {
                return Err(Raised::TooLarge { bytes: None });
            }
        }
        output.push(b']');
        Ok(())
    }

    fn shown() -> &'static str {
        type_name::<Vec<I::Item>>()
    }
}

/// Tells the items one by one, until nobody reads them any more.
fn tell<I, M>(mut yielding: Yielding, items: I, output: &mut Vec<u8>) -> Result<(), Raised>
where
    I: IntoIterator,
    I::Item: Outcome<M>,
{
    for (at, item) in items.into_iter().enumerate() {
        let told = yielding.push(|record| item.write(record).map_err(|raised| raised.within(at)))?;
        if told.is_break() {
            break;
        }
    }
    output.extend_from_slice(Yielding::END);
    Ok(())
}

impl<I, M, E> Outcome<MayYield<M>> for Result<Yielded<I>, E>
where
    Yielded<I>: Outcome<Yields<M>>,
    E: std::error::Error,
{
    fn write(self, output: &mut Vec<u8>) -> Result<(), Raised> {
        match self {
            Ok(yielded) => yielded.write(output),
            Err(error) => Err(Raised::of_error(&error)),
        }
    }

    fn shown() -> &'static str {
        Yielded::<I>::shown()
    }
}

impl<I, M> Returned<Yields<M>> for Yielded<I>
where
    I: IntoIterator,
    I::Item: Returned<M>,
{
    fn schema() -> Schema {
        let mut item = I::Item::schema();
        item.remove("$schema");
        let definitions = item.remove("$defs");
        let mut schema = schemars::json_schema!({"type": "array", "items": item});
        if let Some(definitions) = definitions {
            schema.insert("$defs".into(), definitions);
        }
        schema
    }
}

impl<I, M, E> Returned<MayYield<M>> for Result<Yielded<I>, E>
where
    Yielded<I>: Returned<Yields<M>>,
{
    fn schema() -> Schema {
        Yielded::<I>::schema()
    }
}
