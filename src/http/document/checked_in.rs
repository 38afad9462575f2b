//! The contract as the program carries it: the file that is checked in, of which what is wanted is cut out. Nothing of
//! it is built before it is written, one path or one component at a time.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

const FILE: &str = include_str!("../../../openapi/openapi.json");

/// Members of an object, each cut out, by their names.
pub type Members<'a> = BTreeMap<&'a str, &'a RawValue>;

/// The contract, in pieces.
#[derive(Debug, Default, Deserialize)]
pub struct Contract<'a> {
    info: Value,
    /// In the order in which pages show them.
    pub tags: Vec<Value>,
    /// Operations by their paths.
    #[serde(borrow)]
    pub paths: Members<'a>,
    /// Components by their groups.
    #[serde(borrow)]
    pub components: BTreeMap<&'a str, Members<'a>>,
}

/// All of an operation that names must know.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(rename = "operationId")]
    id: &'a str,
}

/// The operations of a path by their methods.
fn operations_of(item: &RawValue) -> Option<BTreeMap<&str, Named<'_>>> {
    serde_json::from_str(item.get()).ok()
}

impl Contract<'static> {
    /// The one of this build.
    pub fn checked_in() -> Self {
        // A test holds that the file is what the handlers say.
        serde_json::from_str(FILE).unwrap_or_default()
    }
}

impl Contract<'_> {
    /// What it is, and whose.
    pub fn info(&self) -> Value {
        self.info.clone()
    }

    /// The operations at a path.
    pub fn path(&self, path: &str) -> Value {
        self.paths.get(path).map_or(Value::Null, |item| built(item))
    }

    /// A component.
    pub fn component(&self, group: &str, name: &str) -> Value {
        let found = self.components.get(group).and_then(|members| members.get(name));
        found.map_or(Value::Null, |component| built(component))
    }

    /// The component that this refers to, or what it is itself.
    pub fn resolved(&self, said: &Value) -> Value {
        let place = said["$ref"].as_str().and_then(place_of);
        place.map_or_else(|| said.clone(), |(group, name)| self.component(group, name))
    }

    /// The operationIds.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        let items = self.paths.values().filter_map(|item| operations_of(item));
        items.flat_map(|item| item.into_values().map(|named| named.id))
    }

    /// The schemas that are referred to, as `edit` leaves them, and those to which these refer.
    pub fn schemas(&self, used: &Used, edit: impl Fn(&str, &mut Value)) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        let mut left: Vec<String> = used.of("schemas").map(str::to_owned).collect();
        while let Some(name) = left.pop() {
            if found.contains_key(&name) {
                continue;
            }
            let mut schema = self.component("schemas", &name);
            edit(&name, &mut schema);
            let mut further = Used::default();
            further.note(&schema);
            left.extend(further.of("schemas").map(str::to_owned));
            found.insert(name, schema);
        }
        found
    }
}

/// A piece as a value.
pub fn built(piece: &RawValue) -> Value {
    // It was read as JSON already.
    serde_json::from_str(piece.get()).unwrap_or_default()
}

/// `("schemas", "Job")` of `#/components/schemas/Job`.
fn place_of(reference: &str) -> Option<(&str, &str)> {
    reference.strip_prefix("#/components/")?.split_once('/')
}

/// The components that were referred to, as group and name.
#[derive(Debug, Default)]
pub struct Used(BTreeSet<(String, String)>);

impl Used {
    /// Notes what this refers to.
    pub fn note(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                let reference = members.get("$ref").and_then(Value::as_str);
                if let Some((group, name)) = reference.and_then(place_of) {
                    self.0.insert((group.to_owned(), name.to_owned()));
                }
                members.values().for_each(|member| self.note(member));
            }
            Value::Array(items) => items.iter().for_each(|item| self.note(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Those of a group.
    pub fn of(&self, group: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(of, _)| of == group).map(|(_, name)| name.as_str())
    }

    /// Whether this one was.
    pub fn has(&self, group: &str, name: &str) -> bool {
        self.of(group).any(|used| used == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_whole() {
        let contract = Contract::checked_in();
        assert!(
            contract.paths.len() > 100 && contract.tags.len() > 10 && contract.info()["title"] == "forkpool"
        );
        assert!(contract.operations().any(|id| id == "getJob"));
        let mut used = Used::default();
        used.note(&contract.path("/v1/jobs/{id}"));
        assert!(used.has("responses", "Job") || used.has("schemas", "Job"));
        used.note(&contract.component("responses", "Job"));
        let schemas = contract.schemas(&used, |_, _| ());
        assert!(["Job", "Problem", "Links"].iter().all(|name| schemas.contains_key(*name)), "{schemas:?}");
    }
}
