//! A catalog that takes another's place while requests run.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use forkpool::catalog::{Catalog, Function};
use forkpool::http::{App, router};
use forkpool::jobs::{KeyBounds, Keys};
use forkpool::service::{Answer, Refusal, Request, Service, WantedWork};
use tower::ServiceExt;

use super::asking::{SOON, ask, call, ended, submitted, told, with_service};

/// The functions that are offered now, changed.
fn changed(service: &Service, change: impl Fn(&mut Vec<Function>)) {
    let catalog = service.catalog().expect("all is loaded");
    let mut functions = catalog.functions().map(|function| Function::clone(function)).collect();
    change(&mut functions);
    assert!(service.replace_catalog(functions.into_iter().collect()));
}

fn without(service: &Service, name: &str) {
    changed(service, |functions| functions.retain(|function| *function.name != *name));
}

#[test]
fn what_is_removed_is_unknown_and_its_jobs_end() {
    with_service(&["--workers", "1"], async |service| {
        let gate = tempfile::NamedTempFile::new().expect("a file");
        let path = gate.path().to_str().expect("UTF-8").to_owned();
        let held = || {
            let mut wanted = call(&service, "hold", "");
            let arguments = Bytes::from(format!("[{path:?}]"));
            wanted.work = WantedWork::Call { arguments, keywords: None, typed: false };
            wanted
        };
        let before = service.catalog().expect("all is loaded");
        let (running, waiting) = (submitted(&service, held()).await, submitted(&service, held()).await);
        without(&service, "faults.hold");
        let refused = ask(&service, Request::Submit(held())).await;
        assert!(matches!(refused, Err(Refusal::UnknownFunction { .. })), "{refused:?}");
        let shown = ask(&service, Request::Function { name: "faults.hold".into() }).await;
        assert!(matches!(shown, Err(Refusal::UnknownFunction { .. })));
        let Ok(Answer::Functions(listed)) = ask(&service, Request::Functions).await else {
            panic!("no list")
        };
        assert_eq!(listed.len() + 1, before.functions().count());
        gate.close().expect("removed");
        for job in [running, waiting] {
            let id = job.handle.id.to_string();
            let ended = ended(&service, Request::Result { id, timeout: SOON }).await;
            assert_eq!(told(&ended), format!("{path:?}"));
        }
        assert!(service.replace_catalog(Catalog::clone(&before)), "and it is there again");
        assert_eq!(told(&ended(&service, Request::Run(held())).await), format!("{path:?}"));
    });
}

#[test]
fn a_call_keeps_the_description_that_it_found() {
    with_service(&[], async |service| {
        let typed = || {
            let mut wanted = call(&service, "add", "");
            let arguments = Bytes::from_static(b"{\"a\":1,\"b\":2}");
            wanted.work = WantedWork::Call { arguments, keywords: None, typed: true };
            wanted
        };
        let asked = ask(&service, Request::Run(typed()));
        let replaced = async { without(&service, "faults.add") };
        let (answer, ()) = tokio::join!(asked, replaced);
        assert!(matches!(&answer, Ok(Answer::Ended(ended)) if told(ended) == "3"), "{answer:?}");
        assert!(matches!(ask(&service, Request::Run(typed())).await, Err(Refusal::UnknownFunction { .. })));
    });
}

#[test]
fn a_quarantine_stays_with_the_name() {
    with_service(&[], async |service| {
        for _ in 0..10 {
            let died = ended(&service, Request::Run(call(&service, "exit_now", "[3]"))).await;
            assert_eq!(told(&died), "worker-died");
        }
        let refused = async || ask(&service, Request::Run(call(&service, "exit_now", "[3]"))).await;
        assert!(matches!(refused().await, Err(Refusal::Quarantined(..))));
        changed(&service, |functions| {
            functions.iter_mut().for_each(|function| function.doc = Some("Anew.".into()));
        });
        let refusal = refused().await;
        let anew = |function: &Function| function.doc.as_deref() == Some("Anew.");
        assert!(matches!(&refusal, Err(Refusal::Quarantined(function, _)) if anew(function)), "{refusal:?}");
        assert_eq!(told(&ended(&service, Request::Run(call(&service, "square", "[2]"))).await), "4");
    });
}

#[test]
fn a_larger_max_running_starts_what_waits() {
    with_service(&[], async |service| {
        let limited = |most| {
            move |functions: &mut Vec<Function>| {
                let meet = functions.iter_mut().find(|function| &*function.name == "faults.meet");
                meet.expect("it is offered").max_running = Some(most);
            }
        };
        changed(&service, limited(1));
        let folder = tempfile::tempdir().expect("a folder");
        let meet = || {
            let mut wanted = call(&service, "meet", "");
            let arguments = Bytes::from(format!("[[{:?}, 2]]", folder.path()));
            wanted.work = WantedWork::Call { arguments, keywords: None, typed: false };
            wanted
        };
        // Neither comes back before both run.
        let (one, other) = (submitted(&service, meet()).await, submitted(&service, meet()).await);
        let begun = async {
            while std::fs::read_dir(folder.path()).expect("there").count() == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(SOON, begun).await.expect("one begins soon");
        changed(&service, limited(2));
        for job in [one, other] {
            let id = job.handle.id.to_string();
            ended(&service, Request::Result { id, timeout: SOON }).await;
        }
    });
}

#[test]
fn the_document_follows() {
    with_service(&[], async |service| {
        let bounds = KeyBounds { keys_max: 1, bytes_max: 1, ttl: SOON };
        let app = App {
            service: Arc::clone(&service),
            base_url: String::new(),
            has_tokens: false,
            keys: Keys::new(bounds),
        };
        let routes = router(Arc::new(app));
        let paths = async |version: &str| {
            let request = http::Request::get(version).body(Body::empty()).expect("a request");
            let response = routes.clone().oneshot(request).await.expect("an answer");
            let text = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a document");
            let document: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            document["paths"].clone()
        };
        let path = "/v1/functions/faults.square/call";
        for version in ["/openapi.json", "/openapi-3.0.json"] {
            let catalog = service.catalog().expect("all is loaded");
            assert!(paths(version).await[path].is_object());
            without(&service, "faults.square");
            let now = paths(version).await;
            assert!(now[path].is_null() && now["/v1/functions/faults.add/call"].is_object());
            service.replace_catalog(Catalog::clone(&catalog));
            assert!(paths(version).await[path].is_object());
        }
    });
}
