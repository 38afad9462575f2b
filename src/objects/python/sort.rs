//! `list.sort`: stable, and an error where two values have no order.

use std::borrow::Cow;

use bytes::Bytes;

use super::number::Number;
use super::value::{NoOrder, PART_BYTES, Reader, Value};

/// The order in which checked texts are sorted, as their indexes. `charge` is asked for the bytes that it takes before
/// they are.
pub(in crate::objects) fn sorted<E: From<NoOrder>>(
    texts: &[Bytes],
    reverse: bool,
    charge: impl Fn(usize) -> Result<(), E>,
) -> Result<Vec<usize>, E> {
    let all_begin = |with: fn(u8) -> bool| texts.iter().all(|text| text.first().copied().is_some_and(with));
    // What has an order throughout is sorted as it lies in memory, which is many times faster.
    if all_begin(|byte| byte.is_ascii_digit() || b"-tf".contains(&byte)) {
        let number = |text| match Value::read(text) {
            Value::Number { number, .. } => number,
            // None of those begins so.
            Value::None | Value::Text(_) | Value::List(_) | Value::Dict(_) => Number::Small(0),
        };
        return by_key(texts, reverse, charge, number, Number::heap_bytes);
    }
    if all_begin(|byte| byte == b'"') {
        return by_key(texts, reverse, charge, |text| Reader::of(text).string(), |key| text_bytes(key));
    }
    merged(texts, reverse, charge)
}

/// What a text takes besides the one that came in.
#[expect(clippy::ptr_arg, reason = "whether it is owned is the question")]
fn text_bytes(text: &Cow<'_, [u8]>) -> usize {
    if let Cow::Owned(text) = text { text.capacity() } else { 0 }
}

fn by_key<'a, K: Ord, E>(
    texts: &'a [Bytes],
    reverse: bool,
    charge: impl Fn(usize) -> Result<(), E>,
    read: impl Fn(&'a [u8]) -> K,
    heap_bytes: impl Fn(&K) -> usize,
) -> Result<Vec<usize>, E> {
    charge(texts.len().saturating_mul(size_of::<(K, usize)>() + size_of::<usize>()))?;
    let mut keyed = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let key = read(text);
        charge(heap_bytes(&key))?;
        keyed.push((key, at));
    }
    // Equal ones keep their order, whichever way. A stable sort would take memory of its own.
    keyed.sort_unstable_by(|(one, at), (other, other_at)| {
        let order = one.cmp(other);
        if reverse { order.reverse() } else { order }.then(at.cmp(other_at))
    });
    Ok(keyed.into_iter().map(|(_, at)| at).collect())
}

fn merged<E: From<NoOrder>>(
    texts: &[Bytes],
    reverse: bool,
    charge: impl Fn(usize) -> Result<(), E>,
) -> Result<Vec<usize>, E> {
    charge(texts.len().saturating_mul(PART_BYTES + 2 * size_of::<usize>()))?;
    let mut values = Vec::with_capacity(texts.len());
    for text in texts {
        // Nested ones are built part by part.
        if matches!(text.first(), Some(b'[' | b'{')) {
            charge(text.len().saturating_mul(PART_BYTES))?;
        }
        let value = Value::read(text);
        charge(match &value {
            Value::Number { number, .. } => number.heap_bytes(),
            Value::Text(text) => text_bytes(text),
            Value::None | Value::List(_) | Value::Dict(_) => 0,
        })?;
        values.push(value);
    }
    Ok(merge_sorted(&values, reverse)?)
}

fn merge_sorted(values: &[Value<'_>], reverse: bool) -> Result<Vec<usize>, NoOrder> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    // As the library: turned around before and after, so that equal ones keep their order.
    if reverse {
        order.reverse();
    }
    let mut buffer = order.clone();
    let mut width = 1;
    while width < order.len() {
        for start in (0..order.len()).step_by(width * 2) {
            let middle = (start + width).min(order.len());
            let end = (middle + width).min(order.len());
            merge(values, &order[start..middle], &order[middle..end], &mut buffer[start..end])?;
        }
        std::mem::swap(&mut order, &mut buffer);
        width *= 2;
    }
    if reverse {
        order.reverse();
    }
    Ok(order)
}

/// The standard library's sorts may panic where an order is none; this one asks `<` alone.
fn merge<'a>(
    values: &[Value<'_>],
    mut left: &'a [usize],
    mut right: &'a [usize],
    out: &mut [usize],
) -> Result<(), NoOrder> {
    for place in out {
        let take_right = match (left.first(), right.first()) {
            (Some(one), Some(other)) => values[*other].is_less(&values[*one])?,
            (None, _) => true,
            (_, None) => false,
        };
        let side = if take_right { &mut right } else { &mut left };
        if let Some((first, rest)) = side.split_first() {
            *place = *first;
            *side = rest;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted_texts(texts: &[&str], reverse: bool) -> Result<Vec<String>, NoOrder> {
        let items: Vec<Bytes> = texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
        sorted(&items, reverse, |_| Ok(()))
            .map(|order| order.into_iter().map(|at| texts[at].to_owned()).collect())
    }

    #[test]
    fn values_sort_as_in_python() {
        assert_eq!(
            sorted_texts(&["3", "1.5", "true", "-2", "1"], false).unwrap(),
            ["-2", "true", "1", "1.5", "3"]
        );
        assert_eq!(sorted_texts(&["1", "2", "1.0", "true"], true).unwrap(), ["2", "1", "1.0", "true"]);
        assert_eq!(
            sorted_texts(&["\"b\"", "\"\\u0061\"", "\"é\"", "\"Z\""], false).unwrap().concat(),
            "\"Z\"\"\\u0061\"\"b\"\"é\""
        );
        assert_eq!(
            sorted_texts(&["[1,2]", "[1]", "[0,\"a\"]", "[]"], false).unwrap(),
            ["[]", "[0,\"a\"]", "[1]", "[1,2]"]
        );
        assert_eq!(sorted_texts(&["1", "\"a\""], false), Err(NoOrder("str", "int")));
        assert_eq!(sorted_texts(&["1", "\"a\""], true), Err(NoOrder("int", "str")));
        assert_eq!(sorted_texts(&["null", "null"], false), Err(NoOrder("NoneType", "NoneType")));
        assert_eq!(sorted_texts(&["{}", "{}"], false), Err(NoOrder("dict", "dict")));
        assert_eq!(sorted_texts(&["[1,\"a\"]", "[2,3]"], false).unwrap(), ["[1,\"a\"]", "[2,3]"]);
        assert_eq!(sorted_texts(&["[1,\"a\"]", "[1,3]"], false), Err(NoOrder("int", "str")));
    }

    #[test]
    fn what_has_an_order_sorts_alike_either_way() {
        let numbers: Vec<Bytes> = (0..500_u32)
            .flat_map(|at| {
                [(at * 7_919 % 101).to_string(), format!("{}.5", at % 13), format!("{}e30", at % 3)]
            })
            .map(Bytes::from)
            .collect();
        let texts: Vec<Bytes> =
            (0..500_u32).map(|at| format!("\"\\u00e9{}\"", at * 7_919 % 101).into()).collect();
        let free = |_| Ok::<(), NoOrder>(());
        for texts in [numbers, texts] {
            for reverse in [false, true] {
                assert_eq!(sorted(&texts, reverse, free), merged(&texts, reverse, free));
            }
        }
    }

    #[test]
    fn equality_is_pythons() {
        let equal = |one: &str, other: &str| Value::read(one.as_bytes()) == Value::read(other.as_bytes());
        assert!(
            equal("[1, true]", "[1.0,1]")
                && equal("{\"a\":1,\"b\":[null]}", "{ \"b\" : [ null ], \"a\":true}")
        );
        assert!(
            equal("{\"a\":1,\"a\":2}", "{\"a\":2}") && equal("{\"x:y\":\"{,\"}", "{\"x\\u003ay\":\"{,\"}")
        );
        assert!(
            !equal("1", "\"1\"")
                && !equal("null", "0")
                && !equal("[]", "{}")
                && !equal("{\"a\":1}", "{\"a\":1,\"b\":2}")
        );
    }
}
