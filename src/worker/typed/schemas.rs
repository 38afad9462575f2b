//! The JSON Schemas of a function's parameters and value, from its types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::Typed;
use crate::transport::FunctionTypes;

/// What can be registered with its schemas: what is [`Typed`], of types that are `JsonSchema`.
#[diagnostic::on_unimplemented(
    message = "this can't be registered as a typed function",
    note = "its parameters and its value need `#[derive(schemars::JsonSchema)]`; `register_named` asks for none"
)]
pub trait Described<M>: Typed<M> {
    /// Of the parameters, and of the value.
    #[doc(hidden)]
    fn schemas() -> (Vec<Schema>, Schema);
}

/// The schema of what a parameter takes.
pub fn argument<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>()
}

/// The schema of what a value's JSON is.
pub fn value<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// What is known where the types say no schema: how many arguments there are and which may be left out.
pub fn untyped<M, F: Typed<M>>(names: Option<&[&'static str]>) -> FunctionTypes {
    let optional = F::optional();
    let own: Vec<String> = match names {
        Some(names) => names.iter().map(|name| (*name).to_owned()).collect(),
        None => (0..optional.len()).map(|at| format!("arg{at}")).collect(),
    };
    let schemas = own.iter().map(|_| json!({})).collect();
    let positional = if names.is_some() { Vec::new() } else { own.clone() };
    let parameters = Some(object(&own, schemas, &optional, Map::new()));
    FunctionTypes { parameters, positional, ..FunctionTypes::default() }
}

/// What is known of a function of described types.
pub fn described<M, F: Described<M>>(names: &[&'static str]) -> FunctionTypes {
    let (parameters, value) = F::schemas();
    let mut definitions = Map::new();
    let schemas = parameters.into_iter().map(|schema| hoisted(schema, &mut definitions)).collect();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let parameters = object(&names, schemas, &F::optional(), definitions);
    let mut returns = value.to_value();
    if let Some(members) = returns.as_object_mut() {
        members.remove("$schema");
    }
    FunctionTypes { parameters: Some(parameters), returns: Some(returns), ..FunctionTypes::default() }
}

/// Without its definitions, which stand at the root of all.
fn hoisted(schema: Schema, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = schema.to_value();
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
        if let Some(Value::Object(own)) = members.remove("$defs") {
            definitions.extend(own);
        }
    }
    schema
}

fn object(
    names: &[String],
    schemas: Vec<Value>,
    optional: &[bool],
    definitions: Map<String, Value>,
) -> Value {
    let required: Vec<&String> =
        names.iter().zip(optional).filter(|(_, optional)| !**optional).map(|(name, _)| name).collect();
    let properties: Map<String, Value> = names.iter().cloned().zip(schemas).collect();
    let mut object = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    if !definitions.is_empty() {
        object["$defs"] = definitions.into();
    }
    object
}
