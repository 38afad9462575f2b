//! Operations of their own for the functions that are offered: `POST /v1/functions/tasks.square/call`, with the
//! types that the function says, beside the operation for any function.
//!
//! A [`Plan`] gives every operation and every type its name; what they say is made one function at a time.

use std::collections::{BTreeSet, HashSet};
use std::io;

use serde_json::{Map, Value, json};

use super::checked_in::Contract;
use super::edition::{Edition, Part, Version};
use super::names::{Names, module_of, type_name};
use super::schema;
use super::v30::Older;
use crate::catalog::Function;
use crate::runtime::Runtime;

/// An operation that each function has.
#[derive(Debug)]
pub struct OwnOperation {
    /// The operation of any function that it is made from.
    pub path: &'static str,
    /// What its operationId has behind the function's name.
    pub suffix: &'static str,
    /// A sentence behind what the function says of itself.
    about: &'static str,
    /// What the body is.
    body_is: &'static str,
    /// The schema of its body, by that of the arguments.
    body: fn(&Value) -> Value,
    /// The schema of its 200, by that of the function's value.
    value: fn(Value) -> Value,
}

/// All of them.
pub const OWN: [OwnOperation; 4] = [
    OwnOperation {
        path: "/v1/functions/{name}/call",
        suffix: "",
        about: "",
        body_is: "The arguments by name",
        body: Value::clone,
        value: |value| value,
    },
    OwnOperation {
        path: "/v1/functions/{name}/call_async",
        suffix: "_async",
        about: "Answers a job; `getResult` has its value.",
        body_is: "The arguments by name",
        body: Value::clone,
        value: |value| value,
    },
    OwnOperation {
        path: "/v1/functions/{name}/map",
        suffix: "_map",
        about: "A call for each item; answers their values in order.",
        body_is: ITERABLE_IS,
        body: iterable_of,
        value: |value| json!({"type": "array", "items": value}),
    },
    OwnOperation {
        path: "/v1/functions/{name}/map_async",
        suffix: "_map_async",
        about: "A call for each item; answers a job, and `getResult` has their values in order.",
        body_is: ITERABLE_IS,
        body: iterable_of,
        value: |value| value,
    },
];

const ITERABLE_IS: &str = "The arguments by name of each call";

fn iterable_of(arguments: &Value) -> Value {
    json!({"type": "object", "required": ["iterable"], "additionalProperties": false,
           "properties": {"iterable": {"type": "array", "items": arguments}}})
}

/// The component of the arguments of functions of which nothing is known.
pub const UNTYPED: &str = "UntypedArguments";

/// The functions with the names that their operations and types have in the document.
#[derive(Debug)]
pub struct Plan<'a> {
    functions: Vec<Planned<'a>>,
    runtimes: BTreeSet<Runtime>,
}

#[derive(Debug)]
struct Planned<'a> {
    function: &'a Function,
    /// Its operationId.
    id: String,
    /// The component of its arguments.
    arguments: String,
    /// The numbers in the names of the types of its arguments and of its value.
    numbers: [u32; 2],
}

impl<'a> Plan<'a> {
    /// Names for all that these functions have.
    pub fn of(contract: &Contract<'_>, functions: &[&'a Function]) -> Self {
        let mut names = Names::of(contract);
        // Operations first: theirs are the names that people write.
        let ids: Vec<String> = functions.iter().map(|function| names.operation(&function.name)).collect();
        let planned = functions.iter().zip(ids).map(|(function, id)| {
            let module = module_of(&function.name);
            let numbers = schemas_of(function).map(|schema| names.number(&module, &schema));
            let typed = function.types.parameters().is_some();
            let arguments = if typed { names.component(&id, "Arguments") } else { UNTYPED.to_owned() };
            Planned { function, id, arguments, numbers }
        });
        let planned = planned.collect();
        Self { functions: planned, runtimes: functions.iter().map(|function| function.runtime).collect() }
    }

    /// Each path with its operation, made from those of any function as this edition has them.
    pub fn paths(
        &self,
        bases: &[(&OwnOperation, Value)],
        edition: Edition,
        mut visit: impl FnMut(&str, &Value) -> io::Result<()>,
    ) -> io::Result<()> {
        for planned in &self.functions {
            let value = planned.shape(edition).value;
            let name = escaped(&planned.function.name);
            for (own, base) in bases {
                let operation = planned.operation(own, base.clone(), &value, edition);
                visit(&own.path.replace("{name}", &name), &json!({"post": operation}))?;
            }
        }
        Ok(())
    }

    /// Each schema of their own with its name in the document.
    pub fn schemas(
        &self,
        edition: Edition,
        mut visit: impl FnMut(&str, &Value) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut seen = HashSet::new();
        for planned in &self.functions {
            let Shape { arguments, types, .. } = planned.shape(edition);
            for (name, schema) in types.iter().chain([(&planned.arguments, &arguments)]) {
                if seen.insert(name.clone()) {
                    visit(name, schema)?;
                }
            }
        }
        Ok(())
    }

    /// A pool is of a runtime that is served, which goes without saying where there is one.
    pub fn narrow_new_pool(&self, schema: &mut Value) {
        if !self.runtimes.is_empty() {
            schema["properties"]["runtime"]["enum"] =
                self.runtimes.iter().map(|runtime| runtime.name()).collect();
        }
        if self.runtimes.len() > 1
            && let Some(required) = schema["required"].as_array_mut()
        {
            required.push("runtime".into());
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }
}

/// What a function takes and returns, as the document has it.
struct Shape {
    arguments: Value,
    value: Value,
    /// The types that both refer to, by their names in the document.
    types: Map<String, Value>,
}

impl Planned<'_> {
    fn shape(&self, edition: Edition) -> Shape {
        let module = module_of(&self.function.name);
        let [mut arguments, mut value] = schemas_of(self.function);
        let mut types = moved(&mut arguments, &module, self.numbers[0]);
        types.extend(moved(&mut value, &module, self.numbers[1]));
        if edition.version == Version::V30 {
            let older = Older { named: Some(&types) };
            let translated =
                types.iter().map(|(name, schema)| (name.clone(), older.of_schema(schema.clone())));
            let (arguments, value) = (older.of_schema(arguments), older.of_schema(value));
            return Shape { arguments, value, types: translated.collect() };
        }
        Shape { arguments, value, types }
    }

    fn operation(&self, own: &OwnOperation, mut operation: Value, value: &Value, edition: Edition) -> Value {
        let function = self.function;
        let doc = function.doc.as_deref().unwrap_or_default();
        let summary = doc.lines().next().filter(|line| !line.is_empty());
        let summary = summary.map_or_else(|| format!("Calls {}.", function.name), str::to_owned);
        let call = format!("`{}{}`", function.name, function.signature.as_deref().unwrap_or("(…)"));
        // Those who read in brief find the rest with the function's first operation.
        let is_brief = edition.part == Part::Functions;
        let said: &[&str] = if is_brief && !own.suffix.is_empty() {
            &[&summary, own.about]
        } else {
            &[&call, doc, own.about]
        };
        let said: Vec<&str> =
            said.iter().map(|part| part.trim_end()).filter(|part| !part.is_empty()).collect();
        operation["operationId"] = format!("{}{}", self.id, own.suffix).into();
        operation["summary"] = summary.as_str().into();
        operation["description"] = said.join("\n\n").into();
        let required = function.types.parameters().and_then(|schema| schema["required"].as_array());
        let arguments = json!({"$ref": format!("#/components/schemas/{}", self.arguments)});
        let body = (own.body)(&arguments);
        let is_required = body.get("required").is_some() || required.is_some_and(|names| !names.is_empty());
        operation["requestBody"] =
            json!({"content": {"application/json": {"schema": body}}, "required": is_required});
        if !is_brief {
            operation["requestBody"]["description"] = own.body_is.into();
        }
        if let Some(answer) = operation["responses"].get_mut("200") {
            answer["content"] = json!({"application/json": {"schema": (own.value)(value.clone())}});
        }
        operation
    }
}

/// What a function takes and what it returns, as it says.
fn schemas_of(function: &Function) -> [Value; 2] {
    let mut arguments = function.types.body();
    let mut value = function.types.returns().cloned().unwrap_or_else(|| json!({}));
    schema::plain(&mut arguments);
    schema::plain(&mut value);
    [arguments, value]
}

/// Takes the named types out of a schema, which refers to them then as to any of the document's.
fn moved(schema: &mut Value, module: &str, number: u32) -> Map<String, Value> {
    let own = schema.as_object_mut().and_then(|members| members.remove("$defs"));
    let name = |name: &str| type_name(module, number, name);
    schema::point(schema, &name);
    let Some(Value::Object(own)) = own else { return Map::new() };
    let pointed = own.into_iter().map(|(own, mut schema)| {
        schema::point(&mut schema, &name);
        (name(&own), schema)
    });
    pointed.collect()
}

/// A name as a segment of a path.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
