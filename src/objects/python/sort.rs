//! `list.sort`: stable, and an error where two values have no order.

use super::value::{NoOrder, Value};

/// The order in which `values` are sorted, as their indexes.
pub(in crate::objects) fn sorted(values: &[Value], reverse: bool) -> Result<Vec<usize>, NoOrder> {
    let number = |value: &'_ Value| match value {
        Value::Number { number, .. } => Some(number.clone()),
        Value::None | Value::Text(_) | Value::List(_) | Value::Dict(_) => None,
    };
    // What has an order throughout is sorted as it lies in memory, which is many times faster.
    if let Some(keys) = values.iter().map(number).collect::<Option<Vec<_>>>() {
        return Ok(by_key(keys, reverse));
    }
    if let Some(keys) = values.iter().map(text).collect::<Option<Vec<_>>>() {
        return Ok(by_key(keys, reverse));
    }
    merged(values, reverse)
}

fn text(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Text(text) => Some(text),
        Value::None | Value::Number { .. } | Value::List(_) | Value::Dict(_) => None,
    }
}

/// Equal ones keep their order, whichever way.
fn by_key<K: Ord>(keys: Vec<K>, reverse: bool) -> Vec<usize> {
    let mut keyed: Vec<(K, usize)> = keys.into_iter().zip(0..).collect();
    keyed.sort_by(|(one, _), (other, _)| if reverse { other.cmp(one) } else { one.cmp(other) });
    keyed.into_iter().map(|(_, at)| at).collect()
}

fn merged(values: &[Value], reverse: bool) -> Result<Vec<usize>, NoOrder> {
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
    values: &[Value],
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
        let values: Vec<Value> = texts.iter().map(|text| Value::read(text.as_bytes())).collect();
        sorted(&values, reverse).map(|order| order.into_iter().map(|at| texts[at].to_owned()).collect())
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
        let numbers: Vec<Value> = (0..500_u32)
            .map(|at| [(at * 7_919 % 101).to_string(), format!("{}.5", at % 13), format!("{}e30", at % 3)])
            .flat_map(|texts| texts.map(|text| Value::read(text.as_bytes())))
            .collect();
        let texts: Vec<Value> =
            (0..500_u32).map(|at| Value::Text((at * 7_919 % 101).to_string().into_bytes())).collect();
        for values in [numbers, texts] {
            for reverse in [false, true] {
                assert_eq!(sorted(&values, reverse), merged(&values, reverse));
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
