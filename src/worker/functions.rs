//! The functions of a program, as it registers them; their indexes are their order.

use std::process::Command;

use super::builtin;
use super::native::{Arguments, Body, Function, Raised};
use super::typed::{Described, Typed, schemas, signature};
use crate::transport::FunctionTypes;

/// The name that a list to load has for the functions of `--builtin`.
pub const BUILTIN: &str = "builtin";

const NAME_CHARS_MAX: usize = 128;
/// The protocol's bounds of what is announced.
const DOC_BYTES_MAX: usize = 4 << 10;
const SIGNATURE_BYTES_MAX: usize = 1 << 10;

/// The functions that a program offers by public names: what [`serve`](crate::serve) serves.
///
/// ```
/// let functions = forkpool::Functions::new()
///     .register("square", |x: f64| x * x)
///     .register("parse", |text: String| text.parse::<i64>())
///     .register_named("greet", ["name", "greeting"], |name: String, greeting: Option<String>| {
///         format!("{}, {name}!", greeting.as_deref().unwrap_or("Hello"))
///     })
///     .describe("A greeting.");
/// ```
#[derive(Default)]
pub struct Functions {
    list: Vec<Function>,
    /// The first thing wrong with a registration: told when they are served, where it can be.
    problem: Option<String>,
}

impl std::fmt::Debug for Functions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list.iter().map(|function| &function.name)).finish()
    }
}

impl Functions {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function whose arguments are given by position.
    ///
    /// It takes up to six parameters that are `Deserialize`, and returns what is `Serialize`; or a `Result`,
    /// whose error is the job's: `function-raised` with the error's type and what it displays. The error may
    /// be any [`std::error::Error`], a boxed one, or plain data that is `Serialize` (a `String`). An error
    /// type that is both an `Error` and `Serialize` can be taken for either, which the compiler refuses: map
    /// it to a text.
    ///
    /// A parameter that is an `Option` at the end may be left out. A call whose arguments don't fit is
    /// `invalid-arguments`, a value that has no JSON (NaN) `result-not-json`, a panic `function-raised`.
    #[must_use]
    pub fn register<M, F: Typed<M>>(self, name: impl Into<String>, function: F) -> Self {
        let types = schemas::untyped::<M, F>(None);
        self.push(name.into(), signature::<M, F>(None), types, function.body(None))
    }

    /// Adds a function whose arguments are given by position or by name, as a Python function's.
    #[must_use]
    pub fn register_named<M, F: Typed<M>>(
        mut self,
        name: impl Into<String>,
        parameters: F::Names,
        function: F,
    ) -> Self {
        let name = name.into();
        let names = parameters.as_ref();
        if let Some(twice) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            self.refuse(format!("{name}: two of its parameters are named {:?}", names[twice]));
        }
        let (signature, types) = (signature::<M, F>(Some(names)), schemas::untyped::<M, F>(Some(names)));
        self.push(name, signature, types, function.body(Some(parameters)))
    }

    /// The same, with the JSON Schemas of its parameters and its value in the API's document: clients that are
    /// generated from it have a method with types, and a typed call is checked before it costs a worker.
    ///
    /// The types are [`JsonSchema`](schemars::JsonSchema), by `#[derive(schemars::JsonSchema)]`, besides.
    ///
    /// ```
    /// let functions = forkpool::Functions::new()
    ///     .register_typed("repeat", ["text", "times"], |text: String, times: Option<u8>| {
    ///         text.repeat(times.unwrap_or(2).into())
    ///     });
    /// ```
    #[must_use]
    pub fn register_typed<M, F: Described<M>>(
        self,
        name: impl Into<String>,
        parameters: F::Names,
        function: F,
    ) -> Self {
        let types = schemas::described::<M, F>(parameters.as_ref());
        let mut functions = self.register_named(name, parameters, function);
        if let Some(function) = functions.list.last_mut() {
            function.types = types;
        }
        functions
    }

    /// Documents the function registered last.
    #[must_use]
    pub fn describe(mut self, doc: impl Into<String>) -> Self {
        let doc = doc.into();
        match self.list.last_mut() {
            Some(function) => function.doc = Some(clipped(doc, DOC_BYTES_MAX)),
            None => self.refuse("there is nothing yet to describe: register a function first".into()),
        }
        self
    }

    /// Whether none is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The first thing that is wrong with them.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Adds a function over raw JSON: it appends its value's JSON to the buffer.
    #[must_use]
    pub(super) fn with_raw(
        mut self,
        name: &str,
        signature: &str,
        doc: &str,
        types: FunctionTypes,
        body: impl Fn(Arguments<'_>, &mut Vec<u8>) -> Result<(), Raised> + 'static,
    ) -> Self {
        let (name, doc, signature) = (name.into(), Some(doc.into()), Some(signature.into()));
        self.list.push(Function { name, doc, signature, types, body: Box::new(body), program: None });
        self
    }

    /// The function added last is a command: in a process of its own, this program takes that process's place.
    #[must_use]
    pub(super) fn with_program(
        mut self,
        program: impl Fn(Arguments<'_>) -> Result<Command, Raised> + 'static,
    ) -> Self {
        if let Some(function) = self.list.last_mut() {
            function.program = Some(Box::new(program));
        }
        self
    }

    /// Adds what a list to load names besides; the error is a name that nothing here has.
    pub(super) fn load<'a>(&mut self, modules: &'a [String]) -> Result<(), &'a str> {
        for module in modules {
            if module != BUILTIN {
                return Err(module);
            }
            self.list.extend(builtin::builtins().list);
        }
        Ok(())
    }

    /// In the order of their indexes.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Function> {
        self.list.iter()
    }

    pub(super) fn get(&self, index: u32) -> Option<&Function> {
        self.list.get(usize::try_from(index).ok()?)
    }

    fn push(mut self, name: String, signature: String, types: FunctionTypes, body: Body) -> Self {
        if let Some(problem) = self.problem_of(&name) {
            self.refuse(problem);
        }
        let signature = Some(signature).filter(|signature| signature.len() <= SIGNATURE_BYTES_MAX);
        self.list.push(Function { name, doc: None, signature, types, body, program: None });
        self
    }

    fn problem_of(&self, name: &str) -> Option<String> {
        let fits = |c: char| c.is_alphanumeric() || "._-:".contains(c);
        let dots = name.chars().all(|c| c == '.');
        if dots || name.chars().count() > NAME_CHARS_MAX || !name.chars().all(fits) {
            return Some(format!(
                "{name:?} can't be the name of a function: give letters, digits, `_`, `-`, `:` and dots, \
                 at most {NAME_CHARS_MAX}"
            ));
        }
        if name.split('.').next() == Some(BUILTIN) {
            return Some(format!("{name:?}: names in `{BUILTIN}` belong to the functions of --builtin"));
        }
        let twice = self.list.iter().any(|function| function.name == name);
        twice.then(|| format!("two functions are named {name:?}"))
    }

    fn refuse(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }
}

fn clipped(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(functions: &Functions) -> &str {
        functions.problem().unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_with_a_registration_is_kept_for_serve() {
        let good = Functions::new().register("math::add", |a: i64, b: i64| a + b).describe("Adds.");
        assert_eq!((good.problem(), good.is_empty()), (None, false));
        let twice = Functions::new().register("f", || 1).register("f", || 2).register("", || 3);
        assert_eq!(problem(&twice), "two functions are named \"f\"");
        for name in ["", "..", "a b", "a/b", "a\n", &"x".repeat(129)] {
            assert!(
                problem(&Functions::new().register(name, || 1)).contains("can't be the name"),
                "{name:?}"
            );
        }
        assert!(problem(&Functions::new().register("builtin.echo", || 1)).contains("--builtin"));
        assert!(problem(&Functions::new().describe("Nothing.")).contains("register a function first"));
        let same = Functions::new().register_named("f", ["a", "a"], |a: u8, b: u8| a + b);
        assert_eq!(problem(&same), "f: two of its parameters are named \"a\"");
    }

    #[test]
    fn what_is_announced_is_bounded() {
        let functions = Functions::new().register("f", || 1).describe("ä".repeat(4_000));
        let doc = functions.list[0].doc.as_deref().unwrap_or_default();
        assert_eq!((doc.len(), doc.chars().all(|c| c == 'ä')), (4_096, true));
    }

    #[test]
    fn the_builtin_ones_are_loaded_by_name() {
        let mut functions = Functions::new().register("f", || 1);
        assert_eq!(functions.load(&[]), Ok(()));
        assert_eq!(functions.iter().count(), 1);
        assert_eq!(functions.load(&["builtin".into()]), Ok(()));
        assert_eq!(functions.get(1).map(|function| function.name.as_str()), Some("builtin.echo"));
        assert_eq!(functions.load(&["os".into()]), Err("os"));
    }
}
