//! The functions of `--builtin`: enough to try a server, to measure it and to test it.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::functions::Functions;
use super::native::{Arguments, Raised};
use crate::transport::FunctionTypes;

/// `builtin.echo`, `builtin.square`, `builtin.sleep`, `builtin.getpid`, `builtin.fail`.
pub fn builtins() -> Functions {
    let any = json!({});
    let number = json!({"type": "number"});
    let seconds = json!({"type": "number", "minimum": 0});
    let message = json!({"type": "string"});
    Functions::default()
        .with_raw(
            "builtin.echo",
            "(value)",
            "Returns its argument as it came.",
            takes("value", &any, &any),
            echo,
        )
        .with_raw(
            "builtin.square",
            "(x)",
            "Returns x * x; exact for integers up to 2**63.",
            takes("x", &number, &number),
            square,
        )
        .with_raw(
            "builtin.sleep",
            "(seconds)",
            "Sleeps, then returns null.",
            takes("seconds", &seconds, &json!({"type": "null"})),
            sleep,
        )
        .with_raw("builtin.getpid", "()", "Returns the process id of the worker.", nothing(), getpid)
        .with_raw(
            "builtin.fail",
            "(message)",
            "Fails with this message.",
            takes("message", &message, &any),
            fail,
        )
}

/// One argument, by position.
fn takes(name: &str, schema: &Value, returns: &Value) -> FunctionTypes {
    let parameters = json!({
        "type": "object", "properties": {(name): schema}, "required": [name], "additionalProperties": false
    });
    FunctionTypes {
        parameters: Some(parameters),
        returns: Some(returns.clone()),
        positional: vec![name.to_owned()],
        rest: None,
    }
}

fn nothing() -> FunctionTypes {
    FunctionTypes {
        parameters: Some(json!({"type": "object", "properties": {}, "additionalProperties": false})),
        returns: Some(json!({"type": "integer"})),
        ..FunctionTypes::default()
    }
}

fn echo(arguments: Arguments<'_>, output: &mut Vec<u8>) -> Result<(), Raised> {
    let [value] = arguments.exactly()?;
    output.extend_from_slice(value);
    Ok(())
}

fn square(arguments: Arguments<'_>, output: &mut Vec<u8>) -> Result<(), Raised> {
    let [x] = arguments.exactly()?;
    let text = std::str::from_utf8(x).unwrap_or_default();
    if let Ok(integer) = text.parse::<i64>() {
        let mut digits = itoa::Buffer::new();
        let squared = match integer.checked_mul(integer) {
            Some(squared) => digits.format(squared),
            None => digits.format(i128::from(integer) * i128::from(integer)),
        };
        output.extend_from_slice(squared.as_bytes());
        return Ok(());
    }
    let number = number("$.args[0]", text)?;
    let squared = number * number;
    if squared.is_infinite() {
        return Err(Raised::Error {
            kind: "OverflowError".into(),
            message: "the result is too large".into(),
        });
    }
    // Writing into memory can't fail.
    let _ = write!(output, "{squared:?}");
    Ok(())
}

fn sleep(arguments: Arguments<'_>, output: &mut Vec<u8>) -> Result<(), Raised> {
    let [seconds] = arguments.exactly()?;
    let seconds = number("$.args[0]", std::str::from_utf8(seconds).unwrap_or_default())?;
    let duration = Duration::try_from_secs_f64(seconds)
        .map_err(|_| Raised::invalid("$.args[0]", "seconds must not be negative"))?;
    std::thread::sleep(duration);
    output.extend_from_slice(b"null");
    Ok(())
}

fn getpid(arguments: Arguments<'_>, output: &mut Vec<u8>) -> Result<(), Raised> {
    let [] = arguments.exactly()?;
    output.extend_from_slice(itoa::Buffer::new().format(std::process::id()).as_bytes());
    Ok(())
}

fn fail(arguments: Arguments<'_>, _output: &mut Vec<u8>) -> Result<(), Raised> {
    let [message] = arguments.exactly()?;
    let message: String = serde_json::from_slice(message)
        .map_err(|_| Raised::invalid("$.args[0]", "the message must be a string"))?;
    Err(Raised::Error { kind: "Failure".into(), message })
}

/// JSON's numbers are a part of Rust's; the words that Rust adds (`inf`, `NaN`) are no JSON and never come
/// here as arguments.
fn number(path: &str, text: &str) -> Result<f64, Raised> {
    let looks_right = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let number = looks_right.then(|| text.parse::<f64>().ok()).flatten();
    number.ok_or_else(|| Raised::invalid(path, "a number is needed"))
}
