//! Bodies that are no JSON, too much JSON, or JSON that must pass unharmed.

use std::time::Duration;

use serde_json::json;

use crate::support::{Raw, Server};

const ECHO: &str = r#"{"function":"faults.echo","args":[HERE]}"#;

fn echo_of(argument: &str) -> String {
    ECHO.replace("HERE", argument)
}

/// The server goes on after all of it.
fn goes_on(server: &Server) {
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn f67_what_is_not_json_is_said() {
    let server = Server::start(&[]);
    let good = echo_of("1");
    let with_bom = [b"\xef\xbb\xbf", good.as_bytes()].concat();
    let utf_16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf_16_bom = [&[0xff, 0xfe], &utf_16[..]].concat();
    let invalid_utf_8 = echo_of("\"?\"").replace('?', "\u{1}").into_bytes();
    let invalid_utf_8: Vec<u8> =
        invalid_utf_8.iter().map(|byte| if *byte == 1 { 0xff } else { *byte }).collect();
    let lone: Vec<(&str, Vec<u8>)> = vec![
        ("text", b"hello".to_vec()),
        ("form", b"function=faults.echo".to_vec()),
        ("cut", good.as_bytes()[..good.len() - 1].to_vec()),
        ("trailing", format!("{good} x").into_bytes()),
        ("two values", format!("{good}{good}").into_bytes()),
        ("trailing comma", br#"{"function":"faults.echo","args":[1,]}"#.to_vec()),
        ("single quotes", b"{'function':'faults.echo'}".to_vec()),
        ("comment", br#"{"function":"faults.echo" /* no */}"#.to_vec()),
        ("NaN", echo_of("NaN").into_bytes()),
        ("Infinity", echo_of("-Infinity").into_bytes()),
        ("leading zero", echo_of("01").into_bytes()),
        ("plus", echo_of("+1").into_bytes()),
        ("bare dot", echo_of("1.").into_bytes()),
        ("hex", echo_of("0x10").into_bytes()),
        ("bad escape", echo_of(r#""\q""#).into_bytes()),
        ("control character", echo_of("\"\u{1}\"").into_bytes()),
        ("unclosed string", echo_of("\"").into_bytes()),
        ("wrong bracket", echo_of("[1}").into_bytes()),
        ("missing colon", echo_of(r#"{"a" 1}"#).into_bytes()),
        ("number as a key", echo_of("{1:2}").into_bytes()),
        ("True", echo_of("True").into_bytes()),
        ("byte order mark", with_bom),
        ("UTF-16", utf_16),
        ("UTF-16 with its mark", utf_16_bom),
        ("invalid UTF-8", invalid_utf_8),
        ("NUL", b"\0".to_vec()),
    ];
    for path in ["/v1/apply", "/v1/apply_async"] {
        for (what, body) in &lone {
            let answer = server.send("POST", path, &[("content-type", "application/json")], Some(body));
            assert_eq!(answer.status, 400, "{what}: {}", answer.text());
            answer.problem(400, "invalid-json");
        }
    }
    goes_on(&server);
}

#[test]
fn f67_in_a_map_too() {
    let server = Server::start(&[]);
    for iterable in ["[1,2", "[1,,2]", "[1,2}", "[NaN]", "[1 2]", "[01]", "[\"\\x\"]", "[tru]", "[1,]", "[,]"]
    {
        let body = format!(r#"{{"function":"faults.echo","iterable":{iterable}}}"#);
        for path in ["/v1/map", "/v1/map_async"] {
            server.post_text(path, &body).problem(400, "invalid-json");
        }
    }
    goes_on(&server);
}

#[test]
fn f67_a_body_must_be_there_and_be_an_object() {
    let server = Server::start(&[]);
    for path in ["/v1/apply", "/v1/apply_async", "/v1/map", "/v1/map_async"] {
        server.post_empty(path).problem_of(400);
        // No word of a body at all.
        let mut raw = Raw::connect(server.port());
        raw.request(&format!("POST {path}"), "", b"");
        raw.answer(Duration::from_secs(5)).problem_of(400);
        for body in ["", " ", "null", "[]", "3", "\"text\"", "true", "[{}]"] {
            server.post_text(path, body).problem_of(400);
        }
    }
    goes_on(&server);
}

#[test]
fn f68_members_of_the_envelope_come_once() {
    let server = Server::start(&[]);
    let twice = [
        r#"{"function":"faults.echo","function":"faults.echo","args":[1]}"#,
        r#"{"function":"faults.echo","args":[1],"args":[2]}"#,
        r#"{"function":"faults.echo","args":[1],"\u0061rgs":[2]}"#,
        r#"{"function":"faults.echo","kwargs":{},"kwargs":{}}"#,
    ];
    for body in twice {
        server.post_text("/v1/apply", body).problem_of(400);
    }
    let body = r#"{"function":"faults.echo","iterable":[1],"iterable":[2]}"#;
    server.post_text("/v1/map", body).problem_of(400);
    // Inside a value the rule is Python's: the last one stays.
    let inside = echo_of(r#"{"a":1,"a":2}"#);
    assert_eq!(server.post_text("/v1/apply", &inside).text(), r#"{"a":2}"#);
    goes_on(&server);
}

#[test]
fn f69_depth_is_bounded() {
    let server = Server::start(&[]);
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    for depth in [129, 1_000, 100_000] {
        server.post_text("/v1/apply", &echo_of(&deep(depth))).problem(400, "invalid-json");
        let map = format!(r#"{{"function":"faults.echo","iterable":{}}}"#, deep(depth));
        server.post_text("/v1/map", &map).problem(400, "invalid-json");
    }
    let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    server.post_text("/v1/apply", &echo_of(&objects)).problem(400, "invalid-json");
    server.post_text("/v1/apply", &"[".repeat(100_000)).problem(400, "invalid-json");
    server.post_text("/v1/apply", &r#"{"a":"#.repeat(100_000)).problem(400, "invalid-json");
    let allowed = server.post_text("/v1/apply", &echo_of(&deep(120)));
    assert_eq!((allowed.status, allowed.text()), (200, deep(120)));
    goes_on(&server);
}

#[test]
fn f70_integers_keep_every_digit() {
    let server = Server::start(&[]);
    let forty = "1234567890123456789012345678901234567890";
    for number in
        [forty, "-1234567890123456789012345678901234567890", "18446744073709551616", "9007199254740993"]
    {
        let echoed = server.post_text("/v1/apply", &echo_of(number));
        assert_eq!((echoed.status, echoed.text().as_str()), (200, number));
        let digits = server.post_text("/v1/apply", &echo_of(number).replace("echo", "digits"));
        assert_eq!(digits.value(), json!(["int", number]));
        let body = format!(r#"{{"function":"faults.echo","iterable":[{number},{number}]}}"#);
        assert_eq!(server.post_text("/v1/map", &body).text(), format!("[{number},{number}]"));
    }
    let id = server.post_text("/v1/apply_async", &echo_of(forty)).accepted();
    assert_eq!(server.result(&id, 5.0).text(), forty);
    goes_on(&server);
}

#[test]
fn f70_numbers_beyond_doubles_are_refused() {
    let server = Server::start(&[]);
    for number in ["1e400", "-1e400", "1.8e308", "123e99999999999999999999", "[1,[2,{\"a\":1e309}]]"] {
        server.post_text("/v1/apply", &echo_of(number)).problem_of(400);
        let map = format!(r#"{{"function":"faults.echo","iterable":[1,{number}]}}"#);
        server.post_text("/v1/map", &map).problem_of(400);
    }
    for (number, wanted) in
        [("1.7e308", 1.7e308), ("1e-400", 0.0), ("0.1", 0.1), ("-0.0", -0.0), ("5e-324", 5e-324)]
    {
        assert_eq!(server.post_text("/v1/apply", &echo_of(number)).value(), wanted, "{number}");
    }
    // No number, though it looks like one.
    assert_eq!(server.post_text("/v1/apply", &echo_of("\"1e400\"")).value(), "1e400");
    goes_on(&server);
}

#[test]
fn f70_an_integer_too_long_for_python_is_no_fault_of_the_server() {
    let server = Server::start(&[]);
    let answer = server.post_text("/v1/apply", &echo_of(&"9".repeat(5_000)));
    // Beyond 1.8e308, so 400 by the rule of numbers; never a value, never a death.
    answer.problem_of(400);
    goes_on(&server);
}

#[test]
fn any_text_passes_unharmed() {
    let server = Server::start(&[]);
    for text in
        [r#""ä€😀""#, r#""\u00e4\ud83d\ude00\u0000""#, r#""</script>\\\"\n\t""#, r#""[{]}:,1e400""#, r#""""#]
    {
        let wanted: serde_json::Value = serde_json::from_str(text).expect("the test's own JSON");
        assert_eq!(server.post_text("/v1/apply", &echo_of(text)).value(), wanted);
        let map = format!(r#"{{ "iterable" : [ {text} , {text} ] ,"function":"faults.echo" }}"#);
        assert_eq!(server.post_text("/v1/map", &map).value(), json!([wanted, wanted]));
    }
}

#[test]
fn f66_a_body_over_the_limit_is_413() {
    let server = Server::start(&["--body-limit", "100000"]);
    let body = echo_of(&format!("\"{}\"", "x".repeat(200_000)));
    for path in ["/v1/apply", "/v1/apply_async", "/v1/map"] {
        let answer = server.post_text(path, &body);
        let problem = answer.problem(413, "body-too-large");
        assert_eq!(problem["limit"], 100_000, "{problem}");
        assert!(answer.says("body-limit"), "the knob is named: {problem}");
    }
    let fits = echo_of(&format!("\"{}\"", "x".repeat(90_000)));
    assert_eq!(server.post_text("/v1/apply", &fits).status, 200);
    goes_on(&server);
}

#[test]
fn f66_a_chunked_body_over_the_limit_is_413() {
    let server = Server::start(&["--body-limit", "100000"]);
    let mut raw = Raw::connect(server.port());
    let head = "POST /v1/apply HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
    raw.write(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
    for _ in 0..30 {
        raw.write(format!("2710\r\n{}\r\n", "1".repeat(10_000)).as_bytes());
    }
    raw.answer(Duration::from_secs(10)).problem(413, "body-too-large");
    goes_on(&server);
}

#[test]
fn f66_a_length_over_the_limit_is_413_before_the_body_comes() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(server.port());
    let head = "POST /v1/apply HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
    raw.write(format!("{head}Content-Length: 1073741824\r\n\r\n").as_bytes());
    let problem = raw.answer(Duration::from_secs(5)).problem(413, "body-too-large");
    assert_eq!(problem["limit"], 64 << 20, "{problem}");
    goes_on(&server);
}
