//! What a function finds around it, and knobs by environment.

use serde_json::{Value, json};

use crate::support::{Server, fixture};

fn names(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn workers_have_the_servers_environment_less_its_own_knobs() {
    let environment = [("FORKPOOL_WORKERS", "3"), ("TEST_VARIABLE", "here")];
    let server = Server::with_environment(&[], &environment);
    assert_eq!(server.workers().len(), 3, "the knob is read");
    let value = server.apply("environment", &json!([])).value();
    let names = names(&value);
    assert!(names.contains(&"TEST_VARIABLE"), "{names:?}");
    assert!(names.iter().all(|name| !name.starts_with("FORKPOOL_")), "{names:?}");
    for blas in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"] {
        assert!(names.contains(&blas), "{blas} in {names:?}");
    }
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("forkpool.toml");
    let text = format!("targets = [{:?}]\nworkers = 4\nmax_wait = 1\n", fixture("offered.py"));
    std::fs::write(&file, text).expect("the file can be written");
    let file = file.to_string_lossy().into_owned();
    let by_file = Server::bare(&["--config", &file, "--workers", "1"]);
    assert_eq!(by_file.workers().len(), 1, "the flag wins");
    let call = json!({"function": "offered.public", "args": [2]});
    assert_eq!(by_file.post("/v1/apply", &call).value(), 2.0);
    drop(by_file);
    let environment = [("FORKPOOL_WORKERS", "3")];
    let by_both = Server::with_environment(&["--config", &file], &environment);
    assert_eq!(by_both.workers().len(), 3, "the environment wins over the file");
}
