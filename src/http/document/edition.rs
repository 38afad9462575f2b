//! The document of a server, written from the contract and the functions that are offered: one path and one component
//! after the other, so that thousands of functions take no more memory than one.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::brief;
use super::checked_in::{Contract, Used, built};
use super::functions::{OWN, OwnOperation, Plan};
use super::text::{Layout, Writer};
use super::v30::{self, Older};
use crate::catalog::Function;

/// A version of OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1.
    V31,
    /// 3.0, for the tools that read no other.
    V30,
}

/// How much of the API a document has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The operations of the functions that are offered, and what waits for their results, in brief.
    Functions,
}

/// One of the documents of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// In which version.
    pub version: Version,
    /// How much.
    pub part: Part,
}

/// The server that a document is of.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// What its paths follow (`--public-url`); empty where that is where the document is.
    pub base_url: &'a str,
    /// Whether a token must come along.
    pub has_tokens: bool,
}

/// Components in the order in which they are written: schemas are referred to by those before.
const GROUPS: [&str; 2] = ["parameters", "responses"];

/// Writes the document of a server that offers these functions, and says how many bytes it has.
pub fn write<W: Write>(
    out: W,
    layout: Layout,
    edition: Edition,
    server: Described<'_>,
    functions: &[&Function],
) -> io::Result<(W, u64)> {
    let contract = Contract::checked_in();
    let plan = Plan::of(&contract, functions);
    let sheet = Sheet { contract: &contract, plan: &plan, edition, server };
    let mut out = Writer::new(out, layout)?;
    sheet.write_head(&mut out)?;
    let mut used = Used::default();
    sheet.write_paths(&mut out, &mut used)?;
    sheet.write_components(&mut out, used)?;
    out.finish()
}

/// A document on its way.
struct Sheet<'a> {
    contract: &'a Contract<'a>,
    plan: &'a Plan<'a>,
    edition: Edition,
    server: Described<'a>,
}

impl Sheet<'_> {
    fn write_head<W: Write>(&self, out: &mut Writer<W>) -> io::Result<()> {
        let Described { base_url, .. } = self.server;
        let mut info = self.contract.info();
        if self.is_brief() {
            brief::shorten(&mut info);
        }
        let version = match self.edition.version {
            Version::V31 => "3.1.0",
            Version::V30 => {
                v30::of_info(&mut info);
                "3.0.3"
            }
        };
        out.member("openapi", &version.into())?;
        out.member("info", &info)?;
        let base_url = if base_url.is_empty() { "/" } else { base_url };
        out.member("servers", &json!([{"url": base_url}]))?;
        if !self.server.has_tokens {
            // Said, not left out: nothing is asked for.
            out.member("security", &json!([]))?;
        }
        out.member("tags", &self.tags())
    }

    /// That of functions comes first where there are any.
    fn tags(&self) -> Value {
        let mut tags = self.contract.tags.clone();
        if self.is_brief() {
            tags.retain(|tag| brief::has_tag(tag["name"].as_str().unwrap_or_default()));
        }
        if !self.plan.is_empty() {
            tags.sort_by_key(|tag| tag["name"] != "functions");
        }
        tags.into()
    }

    /// The functions' own come first.
    fn write_paths<W: Write>(&self, out: &mut Writer<W>, used: &mut Used) -> io::Result<()> {
        out.open("paths")?;
        let bases: Vec<(&OwnOperation, Value)> = OWN.iter().map(|own| (own, self.base(own))).collect();
        if !self.plan.is_empty() {
            bases.iter().for_each(|(_, operation)| used.note(operation));
        }
        self.plan.paths(&bases, self.edition, |path, item| out.member(path, item))?;
        for (path, item) in &self.contract.paths {
            let mut item = built(item);
            if self.is_brief() {
                brief::keep_operations(&mut item);
            }
            if item.as_object().is_some_and(|item| !item.is_empty()) {
                self.finish_item(&mut item);
                used.note(&item);
                out.member(path, &item)?;
            }
        }
        out.close()
    }

    /// The operation of any function without its path's parameter, its value open to what a function says. Records
    /// (`on_error`) are no values of a function's: for them there is the operation of any function.
    fn base(&self, own: &OwnOperation) -> Value {
        let mut item = self.contract.path(own.path);
        let operation = &mut item["post"];
        if let Some(parameters) = operation["parameters"].as_array_mut() {
            parameters.retain(|parameter| {
                let told = self.contract.resolved(parameter);
                told["in"] != "path" && told["name"] != "on_error"
            });
        }
        if let Some(answer) = operation["responses"].get_mut("200") {
            *answer = self.contract.resolved(answer);
        }
        // It is the function's own, and what it refers to is not used.
        operation.as_object_mut().map(|members| members.remove("requestBody"));
        self.finish_item(&mut item);
        item["post"].take()
    }

    /// The operations of a path as this edition has them.
    fn finish_item(&self, item: &mut Value) {
        for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
            if let Some(members) = operation.as_object_mut().filter(|_| !self.server.has_tokens) {
                members.remove("security");
                members["responses"].as_object_mut().and_then(|responses| responses.remove("401"));
            }
            if self.is_brief() {
                brief::operation(operation, self.contract);
            }
        }
        if self.edition.version == Version::V30 {
            v30::of_schemas_in(item);
        }
    }

    fn write_components<W: Write>(&self, out: &mut Writer<W>, mut used: Used) -> io::Result<()> {
        out.open("components")?;
        for group in GROUPS {
            let members = self.contract.components.get(group).into_iter().flatten();
            let members = members.filter(|(name, _)| used.has(group, name));
            let mut members: Vec<(&str, Value)> = members.map(|(name, it)| (*name, built(it))).collect();
            if let Some((name, component)) = brief::component(group).filter(|_| self.is_brief()) {
                members.push((name, component));
            }
            if members.is_empty() {
                continue;
            }
            out.open(group)?;
            for (name, mut component) in members {
                self.finish_component(&mut component);
                used.note(&component);
                out.member(name, &component)?;
            }
            out.close()?;
        }
        self.write_schemas(out, &used)?;
        if self.server.has_tokens {
            let schemes = self.contract.components.get("securitySchemes").into_iter().flatten();
            out.open("securitySchemes")?;
            schemes.into_iter().try_for_each(|(name, scheme)| out.member(name, &built(scheme)))?;
            out.close()?;
        }
        out.close()
    }

    /// The schemas that something refers to.
    fn write_schemas<W: Write>(&self, out: &mut Writer<W>, used: &Used) -> io::Result<()> {
        out.open("schemas")?;
        let edit = |name: &str, schema: &mut Value| {
            if name == "NewPoolBody" {
                self.plan.narrow_new_pool(schema);
            }
            if self.is_brief() {
                brief::schema(name, schema);
            }
        };
        for (name, mut schema) in self.contract.schemas(used, edit) {
            if self.edition.version == Version::V30 {
                schema = Older::default().of_schema(schema);
            }
            out.member(&name, &schema)?;
        }
        self.plan.schemas(self.edition, |name, schema| out.member(name, schema))?;
        out.close()
    }

    /// A parameter or a response.
    fn finish_component(&self, component: &mut Value) {
        if self.is_brief() {
            brief::shorten(component);
        }
        if self.edition.version == Version::V30 {
            v30::of_schemas_in(component);
        }
    }

    fn is_brief(&self) -> bool {
        self.edition.part == Part::Functions
    }
}
