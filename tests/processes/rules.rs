//! Rule 14 of the library's semantics: names, parents, exit codes.

use serde_json::{Value, json};

use super::{id, join, output, pid, post, run, says, server, start, start_with};

#[test]
fn rule_14_exit_codes_are_the_librarys() {
    let server = server(&["--function", "os.getpid"]);
    let cases = [
        ("nothing", json!([]), 0, ""),
        ("leave", json!([]), 0, ""),
        ("leave", json!([3]), 3, ""),
        ("leave", json!([0]), 0, ""),
        ("leave", json!(["words"]), 1, "words\n"),
        ("leave_with", json!(["object"]), 1, "['a', 1]\n"),
        ("leave_with", json!(["true"]), 1, ""),
        ("leave_with", json!(["negative"]), 255, ""),
        ("leave_with", json!(["large"]), 1, ""),
        ("leave_at_once", json!([9]), 9, ""),
        ("die_of", json!([15]), -15, ""),
        ("die_of", json!([9]), -9, ""),
        ("die_of", json!([10]), -10, ""),
        ("die_of", json!([34]), -34, ""),
        ("abort", json!([]), -6, ""),
    ];
    for (function, args, code, said) in cases {
        let (got, output) = run(&server, function, &args);
        assert_eq!(got, code, "{function}{args}: {output}");
        // os._exit loses what is in Python's buffer or not, as everywhere; lines go out at once here.
        let said = if function == "leave_at_once" { "said before\n" } else { said };
        assert_eq!(output, said, "{function}{args}");
    }
}

#[test]
fn rule_14_what_is_not_caught_is_told_and_1() {
    let server = server(&[]);
    let process = start(&server, "fail", &json!(["too bad"]));
    assert_eq!(join(&server, &process)["exitcode"], 1);
    let said = output(&server, &process);
    let name = process["name"].as_str().expect("a name");
    assert!(said.starts_with(&format!("Process {name}:\nTraceback (most recent call last):\n")), "{said}");
    assert!(said.ends_with("ValueError: too bad\n"), "{said}");
    assert!(said.contains("raise ValueError(message)") && !said.contains("<forkpool>"), "{said}");
    let (code, said) = run(&server, "two", &json!([1]));
    assert_eq!(code, 1, "as a call with the wrong arguments in the library");
    assert!(said.contains("TypeError: two() missing 1 required positional argument"), "{said}");
}

#[test]
fn tracebacks_can_be_hidden() {
    let server = server(&["--tracebacks", "off"]);
    let (code, said) = run(&server, "fail", &json!(["too bad"]));
    assert_eq!((code, said.as_str()), (json!(1), "Process Process-1:\nValueError: too bad\n"));
}

#[test]
fn rule_14_there_is_no_exit_code_while_it_lives() {
    let server = server(&[]);
    let process = start(&server, "nap", &json!([60]));
    assert_eq!(process["alive"], true, "{process}");
    assert_eq!(process.get("exitcode"), None, "{process}");
    post(&server, &process, "terminate");
    let ended = join(&server, &process);
    assert_eq!(ended["exitcode"], -15, "{ended}");
    assert_eq!(post(&server, &process, "kill"), ended, "a second end changes nothing");
}

#[test]
fn the_parent_is_the_server() {
    let server = server(&[]);
    let process = start(&server, "whose", &json!([]));
    join(&server, &process);
    let told = format!("{} {} True\n", pid(&process), server.pid());
    assert_eq!(output(&server, &process), told, "pid, parent, own group");
    assert_eq!(process["parent_pid"], server.pid());
    assert!(!server.workers().iter().any(|worker| worker.pid == pid(&process)), "it is no worker");
}

#[test]
fn names_count_as_in_the_library() {
    let server = server(&[]);
    let names: Vec<Value> = [json!({}), json!({"name": "Kim"}), json!({"name": ""}), json!({"daemon": true})]
        .into_iter()
        .map(|more| {
            let mut body = json!({"target": "processes.nothing"});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            start_with(&server, &body)
        })
        .map(|process| json!([process["name"], process["daemon"]]))
        .collect();
    let wanted = json!([["Process-1", false], ["Kim", false], ["Process-3", false], ["Process-4", true]]);
    assert_eq!(json!(names), wanted);
}

#[test]
fn arguments_come_by_position_and_by_name() {
    let server = server(&[]);
    let body = json!({"target": "processes.show", "args": [1, {"$bytes": "aGk="}], "kwargs": {"a": null}});
    let process = start_with(&server, &body);
    assert_eq!(join(&server, &process)["exitcode"], 0);
    assert_eq!(output(&server, &process), "(1, b'hi') [('a', None)]\n");
    let (code, said) = run(&server, "length", &json!(["x".repeat(3 << 20)]));
    assert_eq!((code, said), (json!(0), format!("{}\n", 3 << 20)), "3 MiB of arguments");
}

#[test]
fn what_the_function_is_in_is_a_plain_process() {
    let server = server(&[]);
    assert_eq!(run(&server, "masks", &json!([])).1, "True 0 True\n", "SIGTERM, blocked signals, input");
    let (_, descriptors) = run(&server, "descriptors", &json!([]));
    assert_eq!(descriptors, "[0, 1, 2, 3, 4, 5]\n");
    assert_eq!(run(&server, "with_thread", &json!([])), (json!(0), "thread\n".into()), "threads are awaited");
    assert_eq!(run(&server, "copy_comes_back", &json!([])), (json!(0), "parent\n".into()));
    assert_eq!(run(&server, "later", &json!(["async"])), (json!(0), "async\n".into()));
}

#[test]
fn a_handler_of_sigterm_is_the_functions_own() {
    let server = server(&[]);
    let process = start(&server, "handle_sigterm", &json!([]));
    says(&server, &process, "ready");
    post(&server, &process, "terminate");
    assert_eq!(join(&server, &process)["exitcode"], 7, "{}", id(&process));
}
