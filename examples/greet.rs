//! The program of the book's page on functions in Rust: `docs/src/how-to/rust.md`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let functions = forkpool::Functions::new()
        .register("square", |x: f64| x * x)
        .register("add", |a: i64, b: i64| a + b)
        .describe("The sum of two integers.")
        .register("parse", |text: String| text.parse::<i64>())
        .register_named("greet", ["name", "greeting"], |name: String, greeting: Option<String>| {
            format!("{}, {name}!", greeting.as_deref().unwrap_or("Hello"))
        });
    forkpool::serve(functions)
}
