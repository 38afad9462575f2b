//! Names for the operations and types of functions: none is taken already, and no two differ only in what generators
//! change when they write a name in the way of their language.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use super::checked_in::Contract;
use super::functions::{OWN, UNTYPED};

/// What generators put behind an operation's name for its parts, as names are compared.
const PARTS: &[&str] =
    &["body", "data", "error", "errors", "params", "query", "request", "response", "responses"];

/// Numbers that all types of a function are tried with before a new one is taken.
const NUMBERS_TRIED: u32 = 8;

/// The names that are taken.
#[derive(Debug)]
pub struct Names {
    /// Those of operations, as names are compared.
    operations: HashSet<String>,
    /// Those of schemas, as they are compared, with how they are spelt and the hash of what they say.
    schemas: HashMap<String, (String, u64)>,
    /// The number that the types of a module with this hash have.
    numbers: HashMap<(String, u64), u32>,
    /// The last number of a module's types.
    last: HashMap<String, u32>,
}

impl Names {
    /// What the contract takes.
    pub fn of(contract: &Contract<'_>) -> Self {
        let schemas =
            contract.components.get("schemas").into_iter().flat_map(|schemas| schemas.keys().copied());
        Self {
            operations: contract.operations().map(compared).collect(),
            schemas: schemas.chain([UNTYPED]).map(|name| (compared(name), (name.to_owned(), 0))).collect(),
            numbers: HashMap::new(),
            last: HashMap::new(),
        }
    }

    /// The operationId of a function, free with all that its operations have behind it.
    pub fn operation(&mut self, function: &str) -> String {
        let wanted = identifier(function);
        let alphabetic = wanted.starts_with(|first: char| first.is_ascii_alphabetic());
        let wanted = if alphabetic { wanted } else { format!("function_{wanted}") };
        let numbered = (2..).map(|number| format!("{wanted}_{number}"));
        let mut all = [wanted.clone(), format!("function_{wanted}")].into_iter().chain(numbered);
        let id = all.find(|id| self.is_free_operation(id)).unwrap_or(wanted);
        self.operations.extend(OWN.iter().map(|own| compared(&format!("{id}{}", own.suffix))));
        id
    }

    fn is_free_operation(&self, id: &str) -> bool {
        OWN.iter().all(|own| {
            let id = compared(&format!("{id}{}", own.suffix));
            let has_part = |part: &&str| self.schemas.contains_key(&format!("{id}{part}"));
            !self.operations.contains(&id) && !PARTS.iter().any(has_part)
        })
    }

    /// A component of a function's own.
    pub fn component(&mut self, id: &str, what: &str) -> String {
        let numbered = (2..).map(|number| format!("{id}_{number}_{what}"));
        let mut all = std::iter::once(format!("{id}_{what}")).chain(numbered);
        let name = all.find(|name| self.admits(name, 0)).unwrap_or_default();
        self.schemas.insert(compared(&name), (name.clone(), 0));
        name
    }

    /// The number with which the names of a schema's types are free, or mean the same already: another function of
    /// the module, or its value besides its arguments, may mean something else by a name.
    pub fn number(&mut self, module: &str, schema: &Value) -> u32 {
        let Some(types) = schema["$defs"].as_object() else { return 1 };
        let hashes: Vec<(&String, u64)> = types.iter().map(|(name, schema)| (name, hash(schema))).collect();
        let all = hash(&schema["$defs"]);
        if let Some(number) = self.numbers.get(&(module.to_owned(), all)) {
            return *number;
        }
        let last = self.last.get(module).copied().unwrap_or(0);
        let admits = |number: &u32| {
            hashes.iter().all(|(name, hash)| self.admits(&type_name(module, *number, name), *hash))
        };
        let mut numbers = (1..=NUMBERS_TRIED).chain(last.max(NUMBERS_TRIED) + 1..);
        let number = numbers.find(admits).unwrap_or(1);
        for (name, hash) in hashes {
            let name = type_name(module, number, name);
            self.schemas.insert(compared(&name), (name, hash));
        }
        self.numbers.insert((module.to_owned(), all), number);
        self.last.insert(module.to_owned(), last.max(number));
        number
    }

    /// Whether a schema may have this name: it is free, or it is this schema's already.
    fn admits(&self, name: &str, hash: u64) -> bool {
        let key = compared(name);
        let is_part = |part: &&str| key.strip_suffix(*part).is_some_and(|id| self.operations.contains(id));
        match self.schemas.get(&key) {
            Some((spelt, known)) => hash != 0 && *known == hash && spelt == name,
            None => !PARTS.iter().any(is_part),
        }
    }
}

/// `tasks` of `tasks.thumbnail`.
pub fn module_of(function: &str) -> String {
    identifier(function.rsplit_once('.').map_or(function, |(module, _)| module))
}

/// `tasks_Size`; `tasks_2_Size` of the second that a module means by it.
pub fn type_name(module: &str, number: u32, name: &str) -> String {
    let name = identifier(name);
    if number == 1 { format!("{module}_{name}") } else { format!("{module}_{number}_{name}") }
}

/// `tasks_thumbnail` of `tasks.thumbnail`.
fn identifier(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

/// A name as it is compared: generators write its words together in many ways.
fn compared(name: &str) -> String {
    name.chars().filter(|letter| *letter != '_').map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Never 0, which is nobody's.
fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_have_names_of_their_own() {
        let mut names = Names::of(&Contract::checked_in());
        for (name, id) in [
            ("tasks.thumbnail", "tasks_thumbnail"),
            ("apply", "function_apply"),
            ("tasks.f", "tasks_f"),
            ("tasks.F", "function_tasks_F"),
            ("tasks_f", "tasks_f_2"),
            ("9lives", "function_9lives"),
            ("größe", "gr__e"),
            // Its body would be called NewPoolBody.
            ("new.pool", "function_new_pool"),
        ] {
            assert_eq!(names.operation(name), id);
        }
    }

    #[test]
    fn types_of_one_name_are_told_apart() {
        let mut names = Names::of(&Contract::checked_in());
        names.operation("tasks.f");
        let of = |name: &str, kind: &str| json!({"$defs": {name: {"type": kind}}});
        for (schema, number) in [
            (of("Size", "object"), 1),
            (of("Size", "object"), 1),
            (of("Size", "string"), 2),
            (of("SIZE", "object"), 3),
            (of("FBody", "object"), 2),
            (json!({"type": "object"}), 1),
        ] {
            assert_eq!(names.number("tasks", &schema), number, "{schema}");
        }
        assert_eq!(names.number("other", &of("Size", "string")), 1);
        for kind in 0..20 {
            let number = names.number("many", &of("A", &kind.to_string()));
            assert_eq!(number, kind + 1);
        }
        assert_eq!(names.component("tasks_f", "Arguments"), "tasks_f_Arguments");
        assert_eq!(names.component("tasks_f", "Arguments"), "tasks_f_2_Arguments");
    }
}
