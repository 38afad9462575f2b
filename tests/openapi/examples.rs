//! Each request of the document with its own example, sent to a real server: it succeeds, and the answer has the
//! status, the media type and the schema that the document says.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::shape::example_of;
use crate::support::{Answer, Seat, Server, fixture};

/// A request as the document describes it.
struct Operation<'a> {
    document: &'a Value,
    method: &'a str,
    path: &'a str,
    said: &'a Value,
}

impl Operation<'_> {
    fn id(&self) -> &str {
        self.said["operationId"].as_str().expect("an operationId")
    }

    fn parameters(&self, place: &str) -> impl Iterator<Item = (&str, &Value)> {
        let all = self.said["parameters"].as_array().into_iter().flatten();
        let all = all.map(|parameter| resolved(self.document, parameter));
        let named = all.filter(move |parameter| parameter["in"] == place);
        named.map(|parameter| (parameter["name"].as_str().expect("a name"), parameter))
    }

    /// The path with its parameters' examples; a job is one that has ended.
    fn target(&self, server: &Server) -> String {
        let mut target = self.path.to_owned();
        for (name, parameter) in self.parameters("path") {
            let example = Some(&parameter["example"]).filter(|example| !example.is_null());
            let example = example.map(|example| example.as_str().map_or(example.to_string(), str::to_owned));
            let value = match (example, name) {
                (Some(example), _) => example,
                (None, "id") if self.path.starts_with("/v1/processes/") => {
                    started_process(server, self.document)
                }
                (None, "id") => ended_job(server),
                (None, "pool") => "reports".to_owned(),
                (None, _) => panic!("{}: its parameter {name} has no example", self.id()),
            };
            target = target.replace(&format!("{{{name}}}"), &value);
        }
        let given = self.parameters("query").filter(|(_, parameter)| parameter["required"] == true);
        let query: Vec<String> = given
            .map(|(name, parameter)| {
                let example = parameter["example"].as_str();
                format!(
                    "{name}={}",
                    example.unwrap_or_else(|| panic!("{}: {name} has no example", self.id()))
                )
            })
            .collect();
        if query.is_empty() { target } else { format!("{target}?{}", query.join("&")) }
    }

    /// What must be there before: the thing that the path names, made by its own example.
    fn prepare(&self, server: &Server) {
        let _ = server.send("DELETE", "/v1/pools/reports", &[], None);
        if self.path.starts_with("/v1/pools/{pool}") {
            self.make(server, "post", "/v1/pools", "/v1/pools");
        }
        if self.id() == "joinPool" {
            server.post_empty("/v1/pools/reports/close").value();
        }
        let thing: Vec<&str> = self.path.splitn(5, '/').take(4).collect();
        let place = thing.join("/");
        if self.document["paths"][&place]["put"].is_object() && self.method != "put" {
            let maker = Operation {
                document: self.document,
                method: "put",
                path: &place,
                said: &self.document["paths"][&place]["put"],
            };
            let target = maker.target(server);
            let _ = server.send("DELETE", &target, &[], None);
            self.make(server, "put", &place, &target);
        }
    }

    fn make(&self, server: &Server, method: &str, path: &str, target: &str) {
        let said = &self.document["paths"][path][method];
        let body = example_of(self.document, &said["requestBody"]).map(|(_, body)| body.to_string());
        let headers = [("content-type", "application/json")];
        let answer =
            server.send(&method.to_uppercase(), target, &headers, Some(body.unwrap_or_default().as_bytes()));
        assert!(answer.status < 300, "{method} {target}: {}", answer.text());
    }

    fn send(&self, server: &Server) -> Answer {
        self.prepare(server);
        let target = self.target(server);
        let method = self.method.to_uppercase();
        match example_of(self.document, &self.said["requestBody"]) {
            Some((kind, body)) => {
                let text = body.as_str().filter(|_| kind != "application/json").map(str::to_owned);
                let text = text.unwrap_or_else(|| body.to_string());
                server.send(&method, &target, &[("content-type", &kind)], Some(text.as_bytes()))
            }
            None => server.send(
                &method,
                &target,
                &[],
                matches!(&*method, "POST" | "PUT").then_some(b"".as_slice()),
            ),
        }
    }

    /// Whether it is a method of a shared object.
    fn is_method(&self) -> bool {
        let place = self.path.splitn(5, '/').take(4).collect::<Vec<_>>().join("/");
        self.method == "post" && self.document["paths"][&place]["put"].is_object()
    }

    /// The answer is the success that the document lists; `false`: a method's own error.
    fn hold(&self, answer: &Answer) -> bool {
        let id = self.id();
        let responses = self.said["responses"].as_object().expect("responses");
        // A method may need what no example says: an item to take, a hold to give back. Then it answers one of
        // its own documented errors.
        if [404, 408, 409].contains(&answer.status) && self.is_method() {
            let said =
                resolved(self.document, &responses[&answer.status.to_string()])["description"].as_str();
            let said = said.unwrap_or_default();
            let problem = answer.json();
            let code = problem["code"].as_str().unwrap_or_default();
            assert!(said.contains(&format!("`{code}`")), "{id}: {code} is not in {said:?}");
            assert!(
                violation(self.document, &json!({"$ref": "#/components/schemas/Problem"}), &problem)
                    .is_none()
            );
            return false;
        }
        let (status, response) =
            responses.iter().find(|(status, _)| status.starts_with('2')).expect("a success");
        let response = resolved(self.document, response);
        assert_eq!(answer.status.to_string(), *status, "{id}: {}", answer.text());
        let Some(content) = response["content"].as_object() else {
            assert_eq!(answer.text(), "", "{id}");
            return true;
        };
        let kind = answer
            .header("content-type")
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .to_owned();
        let listed = content.get(&kind).unwrap_or_else(|| panic!("{id}: {kind} is not listed"));
        if kind == "application/json" {
            let value = answer.json();
            let said = violation(self.document, &listed["schema"], &value);
            assert!(said.is_none(), "{id}: {said:?}: {value}");
        }
        for name in response["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
            assert!(answer.header(&name.to_lowercase()).is_some(), "{id}: no header {name}");
        }
        true
    }
}

fn ended_job(server: &Server) -> String {
    let id = server.post("/v1/apply_async", &json!({"function": "tasks.square", "args": [20]})).accepted();
    assert_eq!(server.result(&id, 10.0).value(), 400);
    id
}

/// As the document's own example starts one.
fn started_process(server: &Server, document: &Value) -> String {
    let said = &document["paths"]["/v1/processes"]["post"]["requestBody"];
    let (_, body) = example_of(document, said).expect("an example");
    server.post("/v1/processes", &body).json()["id"].as_str().expect("an id").to_owned()
}

/// What a response or a parameter is, where it stands among the components.
pub fn resolved<'a>(document: &'a Value, said: &'a Value) -> &'a Value {
    let place = said["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    place.map_or(said, |place| document.pointer(place).expect("a component"))
}

fn each(document: &Value, mut visit: impl FnMut(&Operation<'_>)) -> usize {
    let mut count = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, said) in item.as_object().expect("operations") {
            visit(&Operation { document, method, path, said });
            count += 1;
        }
    }
    count
}

#[test]
fn each_request_works_as_its_example_says() {
    let server =
        Server::bare(&[&fixture("contract/tasks.py"), &seed("process.py"), "--builtin", "--max-wait", "2s"]);
    let document = super::drift::document();
    let mut without = Vec::new();
    let count = each(&document, |operation| {
        if !operation.hold(&operation.send(&server)) {
            without.push(operation.id().to_owned());
        }
    });
    assert!(count > 100 && without.len() * 8 < count, "{count} operations, of these {without:?}");
}

#[test]
fn examples_of_answers_are_what_their_schemas_say() {
    let _seat = Seat::take(false);
    let document = super::drift::document();
    // Most answers share a schema and its example.
    let mut seen = HashSet::new();
    each(&document, |operation| {
        for (status, response) in operation.said["responses"].as_object().expect("responses") {
            let response = resolved(&document, response);
            for content in response["content"].as_object().into_iter().flat_map(|content| content.values()) {
                let named = content["schema"]["$ref"].as_str();
                let named = named.and_then(|reference| document.pointer(reference.strip_prefix('#')?));
                let examples = [Some(&content["example"]), named.map(|schema| &schema["example"])];
                for example in examples.into_iter().flatten().filter(|example| !example.is_null()) {
                    if seen.insert(format!("{} {example}", content["schema"])) {
                        let said = violation(&document, &content["schema"], example);
                        assert!(said.is_none(), "{} {status}: {said:?}", operation.id());
                    }
                }
            }
        }
    });
}

/// What of a value is not as a schema of the document says.
fn violation(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = json!({"components": document["components"], "allOf": [schema]});
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let said = validator.validate(value);
    said.err().map(|error| format!("{error} at {}", error.instance_path()))
}

fn seed(file: &str) -> String {
    format!("{}/examples/seed/{file}", env!("CARGO_MANIFEST_DIR"))
}
