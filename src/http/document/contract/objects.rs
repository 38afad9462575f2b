//! The operations on shared objects in the OpenAPI document, read off the table of kinds and methods.

use serde_json::{Map, Value, json};
use utoipa::IntoResponses;

use super::references::pascal;
use crate::api::{Code, ObjectProblems};
use crate::objects::Kind;
use crate::objects::catalog::{
    Answer, KINDS, KindSpec, LEASE_MIN, Method, OWNER_CHARS_MAX, Param, ParamType,
};

const PROBLEM: &str = "#/components/schemas/Problem";

/// The statuses of problems that are about a body.
const OF_BODY: [&str; 2] = ["413", "415"];

/// Adds the operations to a document.
pub fn describe(document: &mut Value) {
    let acquired = json!({"type": "object", "required": ["acquired"], "properties": {
        "acquired": {"type": "boolean", "description": "Whether it has it."},
        "token": {"type": "integer", "format": "int64",
                  "description": "Grows with every hold; left out if not acquired."},
        "recovered": {"type": "boolean", "description": "Whether the one before lost it without a release."},
    }});
    document["components"]["schemas"]["Acquired"] = acquired;
    let renewed = json!({"type": "object", "required": ["token", "lease"], "properties": {
        "token": {"type": "integer", "format": "int64", "description": "The hold's."},
        "lease": {"type": "number", "description": "Seconds from now."},
    }});
    document["components"]["schemas"]["Renewed"] = renewed;
    for spec in KINDS {
        describe_kind(document, spec);
    }
}

fn describe_kind(document: &mut Value, spec: &KindSpec) {
    let name = schema_name(spec.kind);
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.push(json!({"name": spec.kind.as_str(), "description": spec.about}));
    }
    let schemas = &mut document["components"]["schemas"];
    schemas[&name] = shown_schema(spec);
    schemas[format!("{name}List")] = json!({"type": "object", "required": ["items"], "properties": {
        "items": {"type": "array", "items": reference(&name),
                  "description": "In the order of their names, without their content."},
        "next_cursor": {"type": "string",
                        "description": "Give it as `cursor` to get the next page; left out on the last."},
    }});
    if !spec.constructor.is_empty() {
        schemas[format!("New{name}")] = object_schema(spec.constructor);
        narrow(&mut schemas[format!("New{name}")], spec.kind);
    }
    let path = format!("/v1/{}", spec.kind);
    document["paths"][&path] = json!({"get": list(spec)});
    document["paths"][format!("{path}/{{name}}")] = one(spec);
    let end = if spec.kind == Kind::Pipes { "/{end}" } else { "" };
    for method in spec.methods {
        let path = format!("{path}/{{name}}{end}/{}", method.name);
        let mut operation = called(spec, method);
        let mut schema = object_schema(method.params);
        if either_index_or_slice(&mut schema, spec.kind) {
            operation["requestBody"]["required"] = true.into();
        }
        if owner_is_needed(spec.kind, method.name) {
            schema["required"] = json!(["owner"]);
            schema["properties"]["owner"]["type"] = "string".into();
            operation["requestBody"]["required"] = true.into();
        }
        operation["description"] = call_in_words(spec.kind, method, &schema).into();
        if !method.params.is_empty() {
            document["components"]["schemas"][body_name(spec.kind, method)] = schema;
        }
        document["paths"][path] = json!({"post": operation});
    }
}

/// `queue.put(obj, block, timeout)`, and which of them must be given.
fn call_in_words(kind: Kind, method: &Method, schema: &Value) -> String {
    let names =
        |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    let all: Vec<&str> = method.params.iter().map(|param| param.name).collect();
    let needed: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let given = match (all.len(), needed.len()) {
        (0, _) => "it takes no arguments".to_owned(),
        (_, 0) => "what is left out is as in the library".to_owned(),
        (all, needed) if all == needed => "nothing may be left out".to_owned(),
        _ => format!("{} must be given", names(&needed)),
    };
    format!("`{}.{}({})`: {given}.", kind.noun().replace(' ', "_"), method.name, all.join(", "))
}

fn list(spec: &KindSpec) -> Value {
    let plural = pascal(spec.kind.as_str());
    let mut operation = operation(
        spec,
        &format!("list{plural}"),
        &format!("The {}, by name.", spec.kind.as_str().replace('_', " ")),
        "A page at a time, and without their content.",
    );
    operation["parameters"] = json!([
        {"name": "limit", "in": "query", "required": false,
         "description": "At most so many, 1 to 1,000; 100 if left out",
         "schema": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 1000}},
        {"name": "cursor", "in": "query", "required": false,
         "description": "Begins after this: `next_cursor` of a page",
         "schema": {"type": "string"}},
    ]);
    let items = json!({"items": [summary_example(spec)]});
    answers(
        &mut operation,
        "A page of them",
        &reference(&format!("{}List", schema_name(spec.kind))),
        &items,
        false,
    );
    operation
}

/// An object as a list shows it.
fn summary_example(spec: &KindSpec) -> Value {
    let mut shown = example(spec.shown);
    if let Some(members) = shown.as_object_mut() {
        let keep = |name: &str| spec.kind == Kind::Values || !matches!(name, "items" | "values");
        members.retain(|name, _| keep(name));
    }
    shown
}

/// What a name is made of; dots alone are none.
const NAME_PATTERN: &str = "^[A-Za-z0-9_.-]*[A-Za-z0-9_-][A-Za-z0-9_.-]*$";

/// `an array`, `an rlock`.
fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'r']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// PUT, GET and DELETE of an object.
fn one(spec: &KindSpec) -> Value {
    let (name, shared) = (noun(spec.kind), schema_name(spec.kind));
    let schema = reference(&shared);
    let words = with_article(&spec.kind.noun());
    let shown = example(spec.shown);
    let mut make = operation(
        spec,
        &format!("create{name}"),
        &format!("Makes {words}."),
        &format!("The same arguments again change nothing, others are `{}`.", Code::AlreadyExists.as_str()),
    );
    if !spec.constructor.is_empty() {
        make["requestBody"] = body(&format!("New{shared}"), spec.constructor, spec.made);
    }
    answers(&mut make, "It is there", &schema, &shown, true);
    make["responses"]["200"]["headers"] =
        json!({"Location": {"description": "The object", "schema": {"type": "string"}}});
    make["responses"]["409"] =
        problem(&said(Code::AlreadyExists, "one of that name was made with other arguments"));
    let about = format!("{}.", spec.about.trim_end_matches('.'));
    let mut get = operation(spec, &format!("get{name}"), &format!("Shows {words} with its content."), &about);
    answers(&mut get, "The object", &schema, &shown, false);
    get["responses"]["404"] = problem(&format!("`{}`", Code::UnknownObject.as_str()));
    if matches!(spec.kind, Kind::Arrays | Kind::Dicts | Kind::Lists | Kind::Namespaces) {
        get["responses"]["422"] =
            problem(&said(Code::ResultTooLarge, "its content is more than `--result-limit`"));
        let said = make["description"].as_str().unwrap_or_default();
        let content =
            "The answer shows its content, too, if that is not large (256 KiB, as objects are counted).";
        make["description"] = format!("{said} {content}").into();
    }
    if matches!(spec.kind, Kind::Values | Kind::Arrays) {
        let not_json = said(Code::ResultNotJson, "it holds what is not a number, or infinite");
        let more = get["responses"]["422"]["description"].as_str();
        get["responses"]["422"] =
            problem(&more.map_or(not_json.clone(), |more| format!("{not_json}; {more}")));
        make["responses"]["422"] = problem(&not_json);
    }
    let mut delete = operation(
        spec,
        &format!("delete{name}"),
        &format!("Removes {words}."),
        &format!("Who waits for it is told `{}`; its name is free.", Code::UnknownObject.as_str()),
    );
    answers(&mut delete, "It is gone", &Value::Null, &Value::Null, false);
    if let Some(responses) = delete["responses"].as_object_mut() {
        responses.remove("200");
        responses.insert("204".into(), json!({"description": "It is gone"}));
    }
    delete["responses"]["404"] = problem(&format!("`{}`", Code::UnknownObject.as_str()));
    for each in [&mut make, &mut get, &mut delete] {
        each["parameters"] = json!([name_parameter()]);
    }
    json!({"put": make, "get": get, "delete": delete})
}

fn called(spec: &KindSpec, method: &Method) -> Value {
    let id = format!("{}{}", camel(&noun(spec.kind)), pascal(method.name));
    let mut operation = operation(spec, &id, method.about, "");
    let mut parameters = vec![name_parameter()];
    if spec.kind == Kind::Pipes {
        parameters
            .push(json!({"name": "end", "in": "path", "required": true, "description": "Which end: 0 or 1",
                               "example": 0, "schema": {"type": "integer", "minimum": 0, "maximum": 1}}));
    }
    operation["parameters"] = parameters.into();
    if !method.params.is_empty() {
        operation["requestBody"] = body(&body_name(spec.kind, method), method.params, method.example.0);
    }
    answers(
        &mut operation,
        what(method.answer),
        &answer_schema(method.answer),
        &example(method.example.1),
        true,
    );
    operation["responses"]["404"] =
        problem(&format!("`{}`, or `{}`", Code::UnknownObject.as_str(), Code::UnknownMethod.as_str()));
    for status in ["408", "409", "422"] {
        let own: Vec<String> = method
            .errors
            .iter()
            .filter(|(code, _)| Code::from(*code).spec().status.to_string() == status)
            .map(|(code, when)| said(Code::from(*code), when))
            .collect();
        if !own.is_empty() {
            operation["responses"][status] = problem(&own.join("; "));
        }
    }
    operation
}

fn operation(spec: &KindSpec, id: &str, summary: &str, description: &str) -> Value {
    json!({"operationId": id, "summary": summary, "description": description,
           "tags": [spec.kind.as_str()], "responses": {}})
}

fn answers(operation: &mut Value, description: &str, schema: &Value, shown: &Value, has_body: bool) {
    let responses = &mut operation["responses"];
    let content = json!({"application/json": {"schema": schema, "example": shown}});
    responses["200"] = json!({"description": description, "content": content});
    for (status, response) in ObjectProblems::responses() {
        if has_body || !OF_BODY.contains(&status.as_str()) {
            responses[status] = json!(response);
        }
    }
}

/// A code, and when it comes here.
fn said(code: Code, when: &str) -> String {
    format!("`{}`: {when}", code.as_str())
}

fn problem(description: &str) -> Value {
    json!({"description": description, "content": {"application/problem+json": {"schema": {"$ref": PROBLEM}}}})
}

fn name_parameter() -> Value {
    json!({"name": "name", "in": "path", "required": true,
           "description": "Its name: 1 to 128 of A-Z, a-z, 0-9, _, . and -",
           "example": "shared", 
           "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": NAME_PATTERN}})
}

fn body(schema: &str, params: &[Param], shown: &str) -> Value {
    let needed = params.iter().any(|param| param.required);
    let content = json!({"schema": reference(schema), "example": example(shown)});
    json!({"required": needed, "content": {"application/json": content}})
}

fn object_schema(params: &[Param]) -> Value {
    let mut properties = Map::new();
    for param in params {
        let mut schema = match param.param_type {
            ParamType::Any => json!({}),
            ParamType::Pairs => json!({"type": ["array", "object"], "items": {
                "type": "array", "minItems": 2, "maxItems": 2,
                "prefixItems": [{"type": ["string", "number", "boolean", "null"]}, {}], "items": {}
            }}),
            ParamType::Bool => json!({"type": "boolean"}),
            ParamType::Integer => json!({"type": "integer", "format": "int64"}),
            ParamType::Seconds => json!({"type": "number", "minimum": 0, "maximum": 86400}),
            ParamType::Text => json!({"type": "string"}),
            ParamType::List => json!({"type": "array", "items": {}}),
        };
        schema["description"] = param.about.into();
        let (least, most) = param.bounds;
        if least != i64::MIN {
            schema["minimum"] = least.into();
        }
        if most != i64::MAX {
            schema["maximum"] = most.into();
        }
        if param.name == "typecode" {
            // No enum: generators make names of its words that differ in case alone.
            schema["pattern"] = "^[cubBhHiIlLqQfd]$".into();
        }
        if param.name == "lease" {
            schema["minimum"] = LEASE_MIN.as_secs_f64().into();
        }
        if param.name == "owner" {
            schema["maxLength"] = OWNER_CHARS_MAX.into();
        }
        // None is the default of whatever may be left out.
        if let Some(words) = words_of(param) {
            let words = json!({"type": "string", "enum": words});
            schema = json!({"anyOf": [words, {"type": "null"}], "description": param.about});
        } else if !param.required && param.param_type != ParamType::Any {
            let kind = schema["type"].take();
            let mut kinds = kind.as_array().cloned().unwrap_or_else(|| vec![kind]);
            kinds.push("null".into());
            schema["type"] = kinds.into();
        }
        properties.insert(param.name.into(), schema);
    }
    let needed: Vec<&str> = params.iter().filter(|param| param.required).map(|param| param.name).collect();
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !needed.is_empty() {
        schema["required"] = needed.into();
    }
    schema
}

/// The words that a parameter takes, where those are few.
fn words_of(param: &Param) -> Option<&'static [&'static str]> {
    match param.name {
        "kind" => Some(&["queue", "joinable", "simple"]),
        _ => None,
    }
}

/// What holds between the arguments of a constructor.
fn narrow(schema: &mut Value, kind: Kind) {
    match kind {
        Kind::Arrays => {
            let mut rules = by_typecode(|item| json!({"values": {"items": item}}));
            rules.push(json!({
                "if": {"required": ["values"], "properties": {"values": {"type": "array", "items": {}}}},
                "then": {"properties": {"length": {"type": "null"}}},
                "else": {"required": ["length"], "properties": {"length": {"type": "integer"}}},
            }));
            schema["allOf"] = rules.into();
        }
        Kind::Values => schema["allOf"] = by_typecode(|item| json!({"value": item})).into(),
        // The names of attributes.
        Kind::Namespaces => {
            schema["properties"]["items"]["items"]["prefixItems"][0] = json!({"type": "string"});
        }
        Kind::Queues
        | Kind::Pipes
        | Kind::Locks
        | Kind::RLocks
        | Kind::Semaphores
        | Kind::BoundedSemaphores
        | Kind::Conditions
        | Kind::Events
        | Kind::Barriers
        | Kind::Dicts
        | Kind::Lists => {}
    }
}

/// Whether a call over HTTP must say who calls: these belong to one who has them, as a thread in the library.
fn owner_is_needed(kind: Kind, method: &str) -> bool {
    let is_owned = matches!(kind, Kind::RLocks | Kind::Conditions | Kind::Values | Kind::Arrays);
    is_owned && matches!(method, "acquire" | "release" | "wait" | "notify" | "notify_all")
}

/// An index excludes the bounds of a slice. Whether one of them must be given: to a list, not to an array.
fn either_index_or_slice(schema: &mut Value, kind: Kind) -> bool {
    let given = |name: &str| json!({"required": [name], "properties": {name: {"type": "integer"}}});
    let properties = &schema["properties"];
    if properties.get("index").is_none() || properties.get("start").is_none() {
        return false;
    }
    let bounds: Vec<&str> =
        ["start", "stop", "step"].into_iter().filter(|name| properties.get(name).is_some()).collect();
    let none: Map<String, Value> =
        bounds.iter().map(|name| ((*name).to_owned(), json!({"type": "null"}))).collect();
    let mut rule = json!({"if": given("index"), "then": {"properties": none}});
    if kind == Kind::Lists {
        rule["else"] = json!({"anyOf": bounds.iter().map(|name| given(name)).collect::<Vec<_>>()});
    }
    schema["allOf"] = json!([rule]);
    kind == Kind::Lists
}

/// What fits into which typecode.
fn by_typecode(properties: impl Fn(Value) -> Value) -> Vec<Value> {
    let of = |letters: &[&str], item: Value| {
        let then = properties(item);
        json!({"if": {"properties": {"typecode": {"enum": letters}}}, "then": {"properties": then}})
    };
    vec![
        of(&["f", "d"], json!({"type": ["number", "boolean"]})),
        of(&["b", "B", "h", "H", "i", "I", "l", "L", "q", "Q"], json!({"type": ["integer", "boolean"]})),
        of(&["u"], json!({"type": "string", "minLength": 1, "maxLength": 1})),
        of(
            &["c"],
            json!({"type": ["integer", "object"], "minimum": 0, "maximum": 255, "required": ["$bytes"],
                   "properties": {"$bytes": {"type": "string", "pattern": "^[A-Za-z0-9+/][AQgw]==$"}},
                   "additionalProperties": false}),
        ),
    ]
}

/// What GET shows, by its example.
fn shown_schema(spec: &KindSpec) -> Value {
    let mut properties = Map::new();
    for (name, value) in example(spec.shown).as_object().into_iter().flatten() {
        let is_any =
            spec.constructor.iter().any(|param| param.is(name) && param.param_type == ParamType::Any);
        let schema = match value {
            _ if is_any => json!({}),
            Value::Bool(_) => json!({"type": "boolean"}),
            Value::Number(_) => json!({"type": "integer", "format": "int64"}),
            Value::String(_) => json!({"type": "string"}),
            Value::Array(_) => json!({"type": "array", "items": {}}),
            Value::Null | Value::Object(_) => json!({}),
        };
        properties.insert(name.clone(), schema);
    }
    if spec.constructor.iter().any(|param| param.param_type == ParamType::Seconds) {
        properties.insert("timeout".into(), json!({"type": "number"}));
    }
    json!({"type": "object", "required": ["name"], "properties": properties})
}

fn answer_schema(answer: Answer) -> Value {
    match answer {
        Answer::Null | Answer::Any => json!({}),
        Answer::Bool => json!({"type": "boolean"}),
        Answer::Integer => json!({"type": "integer", "format": "int64"}),
        Answer::List => json!({"type": "array", "items": {}}),
        Answer::Pairs => json!({"type": "array", "items": {"type": "array", "items": {}}}),
        Answer::Acquired => reference("Acquired"),
        Answer::Renewed => reference("Renewed"),
    }
}

fn what(answer: Answer) -> &'static str {
    match answer {
        Answer::Null => "Done: null",
        Answer::Bool => "Whether it is so",
        Answer::Integer => "A whole number",
        Answer::Any => "The bare value",
        Answer::List => "The bare array",
        Answer::Pairs => "Pairs of key and value",
        Answer::Acquired => "Whether it was acquired in time, and with which token",
        Answer::Renewed => "The lease begins anew",
    }
}

fn example(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!({}))
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// `SharedQueue`: `Array`, `List` and `Event` are names of the languages that clients are generated in.
fn schema_name(kind: Kind) -> String {
    format!("Shared{}", noun(kind))
}

/// `SharedQueuePut`: what a method takes.
fn body_name(kind: Kind, method: &Method) -> String {
    schema_name(kind) + &pascal(method.name)
}

/// `Queue`, `BoundedSemaphore`, `RLock`.
fn noun(kind: Kind) -> String {
    let name = pascal(kind.as_str());
    let name = name.strip_suffix('s').unwrap_or(&name);
    if kind == Kind::RLocks { "RLock".to_owned() } else { name.to_owned() }
}

fn camel(name: &str) -> String {
    if name == "RLock" {
        return "rlock".to_owned();
    }
    let (first, rest) = name.split_at(name.len().min(1));
    first.to_lowercase() + rest
}
