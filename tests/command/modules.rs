//! Which interpreter runs, where modules are found, what of them is offered, and what is said when it fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Ended, Program, UnixClient, output};

const BOUND: Duration = Duration::from_secs(20);

/// A folder with a package, as a project has it.
fn project() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    };
    write("shop/__init__.py", "");
    write(
        "shop/images.py",
        "import only_in_the_environment as it\n\n\ndef where():\n    return it.__file__\n",
    );
    write(
        "shop/feeds.py",
        "import calendar\nfrom os.path import join\n\n\nclass Importer:\n    def run(self):\n        return 1\n\n\n\
         def total(prices):\n    return sum(prices)\n\n\ndef path():\n    return calendar.__file__\n",
    );
    write(
        "shop/listed.py",
        "from shop.feeds import total\n\n__all__ = ['total']\n\n\ndef helper():\n    pass\n",
    );
    write("shop/dies.py", "import os\n\nos._exit(3)\n");
    write("shop/crashes.py", "import ctypes\n\nctypes.string_at(0)\n");
    write("calendar.py", "raise ValueError('the standard library comes first')\n");
    folder
}

/// A virtual environment with a module of its own.
fn environment(folder: &Path) -> PathBuf {
    let made = output(Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(folder));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let versions = fs::read_dir(folder.join("lib")).expect("it has a library");
    let packages = versions.map(|version| version.expect("an entry").path().join("site-packages"));
    for packages in packages.filter(|path| path.is_dir()) {
        fs::write(packages.join("only_in_the_environment.py"), "").expect("written");
    }
    folder.join("bin/python")
}

/// Without the environment that this test may run in.
fn run(folder: &Path, args: &[&str], adjust: impl FnOnce(&mut Command)) -> Ended {
    Program::run(args, BOUND, |command| {
        command.current_dir(folder).env_remove("VIRTUAL_ENV");
        adjust(command);
    })
}

fn check(folder: &Path, args: &[&str]) -> Ended {
    run(folder, &[&["check-config"], args].concat(), |_| ())
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} in: {text}");
    }
}

/// `serve` and `check-config` say the same, with the same status.
#[track_caller]
fn refused(folder: &Path, args: &[&str], words: &[&str]) {
    let checked = check(folder, args);
    let socket = format!("unix:{}", folder.join("s").display());
    let served = run(folder, &[&["serve", "--bind", &socket], args].concat(), |_| ());
    for ended in [checked, served] {
        assert_eq!((ended.status.code(), ended.out.as_str()), (Some(2), ""), "{args:?}: {}", ended.errors);
        says(&ended.errors, words);
    }
}

#[test]
fn the_environment_that_is_meant_runs_workers_too() {
    let project = project();
    let (folder, socket) = (project.path(), project.path().join("s"));
    let python = environment(&folder.join(".venv"));
    let named = |program: &Path, why: &str| format!("  run by  {} (Python 3.", program.display()) + "|" + why;
    let is_run_by = |ended: &Ended, told: &str| {
        assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
        told.split('|').for_each(|part| says(&ended.out, &[part]));
    };
    is_run_by(&check(folder, &["shop.images"]), &named(&python, ", of ./.venv)"));

    let mut server = Program::start(
        &["serve", "shop.images", "--workers", "1", "--bind", &format!("unix:{}", socket.display())],
        |command| {
            command.current_dir(folder).env_remove("VIRTUAL_ENV");
        },
    );
    server.line();
    let file = UnixClient::new(&socket).post("/v1/apply", &json!({"function": "shop.images.where"})).value();
    assert!(file.as_str().is_some_and(|file| file.contains("/.venv/lib/")), "{file}");
    let log = server.stops_well().errors;
    says(&log, &["the Python interpreter", &python.display().to_string(), "of ./.venv"]);

    let active = folder.join("active");
    let python = environment(&active);
    let ended = run(folder, &["check-config", "shop.images"], |command| {
        command.env("VIRTUAL_ENV", &active);
    });
    is_run_by(&ended, &named(&python, ", of VIRTUAL_ENV)"));
    is_run_by(
        &check(folder, &["shop.images", "--python", "active/bin/python"]),
        &named(&python, ", named by"),
    );

    fs::remove_dir_all(&active).expect("removed");
    let ended = run(folder, &["check-config", "shop.feeds"], |command| {
        command.env("VIRTUAL_ENV", &active);
    });
    assert_eq!(ended.status.code(), Some(2), "{}", ended.out);
    says(&ended.errors, &["VIRTUAL_ENV means", "active/bin/python", "is not there", "--python"]);
}

#[test]
fn a_module_that_is_missing_names_who_looked_where() {
    let project = project();
    let folder = project.path().canonicalize().expect("it is there");
    let here = folder.display().to_string();
    environment(&folder.join("env"));
    let line = "ModuleNotFoundError: No module named 'only_in_the_environment'";
    let advice =
        ["--python env/bin/python", "it was looked for by /", "python3 on PATH", "--python-path adds"];
    refused(
        &folder,
        &["shop.images"],
        &[&["shop.images: import-failed: ", line, &here], &advice[..]].concat(),
    );
    let ended = check(&folder, &["shop.images"]);
    assert_eq!(ended.errors.matches(line).count(), 1, "{}", ended.errors);
    // Where it is, if it isn't far.
    let inner = folder.join("shop");
    refused(&inner, &["images.py"], &[line]);
    refused(&inner, &["listed.py"], &["No module named 'shop'"]);
    fs::create_dir(folder.join("src")).expect("made");
    fs::rename(folder.join("shop"), folder.join("src/shop")).expect("moved");
    refused(&folder, &["shop.feeds"], &["No module named 'shop'", "--python-path src\n"]);
    refused(&folder, &["src/shop/listed.py"], &["shop is in ", "--python-path src\n"]);
}

#[test]
fn modules_come_from_the_current_folder_and_hide_nothing_of_the_standard_library() {
    let project = project();
    let folder = project.path();
    let ended = check(folder, &["shop.feeds", "--function", "shop.listed.helper"]);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    says(&ended.out, &["shop.feeds.total(prices)", "shop.listed.helper()"]);
    says(&ended.out, &["skipped shop.feeds: classes: Importer", "defined elsewhere: join"]);
    let ended = check(folder, &["shop.listed"]);
    says(&ended.out, &["would offer 1 function", "shop.listed.total(prices)", "not in its __all__: helper"]);
    refused(
        folder,
        &["shop"],
        &["nothing is offered", "its modules are shop.crashes, shop.dies, shop.feeds"],
    );
    refused(folder, &["shop.feds"], &["shop has no feds; did you mean feeds?"]);
    refused(folder, &["shp.feeds"], &["No module named 'shp'", "did you mean shop?"]);
    refused(folder, &["calendar"], &["calendar: shadows-standard-module", "calendar.py is named like"]);
    // A target that offers nothing beside others is said, and no fault.
    let ended = check(folder, &["shop", "shop.feeds"]);
    says(&ended.out, &["would offer 2 functions", "skipped shop: it has no public functions of its own"]);
}

#[test]
fn single_functions_are_looked_at_too() {
    let project = project();
    let folder = project.path();
    let function = |name: &str, words: &[&str]| refused(folder, &["--function", name], words);
    function("shop.feeds.Importer.run", &["it is a method, which needs an instance of Importer"]);
    function("shop.feeds.totl", &["shop.feeds has no totl; did you mean total?"]);
    function("shp.feeds.total", &["there is no module shp", "did you mean shop?", "it was looked for by"]);
    fs::write(folder.join("c.toml"), "[functions.\"shop.feeds.totl\"]\nretries = 1\n").expect("written");
    refused(folder, &["shop.feeds", "--config", "c.toml"], &["did you mean shop.feeds.total?"]);
}

#[test]
fn an_import_that_ends_its_process_says_how() {
    let project = project();
    let folder = project.path();
    refused(folder, &["shop.dies"], &["shop.dies: import-failed: it ended its process", "exit status 3"]);
    refused(folder, &["shop.crashes"], &["shop.crashes: import-failed: it ended its process", "SIGSEGV"]);
    refused(
        folder,
        &["shop.feeds", "--python", "cat"],
        &["cat (named by --python) ended before", "exit status 1"],
    );
    let none = ["there is no such program", "--python names another interpreter"];
    refused(folder, &["shop.feeds", "--python", "./no-python"], &none);
    let ended = run(folder, &["check-config", "shop.feeds"], |command| {
        command.env("PATH", folder);
    });
    says(&ended.errors, &[&["python3 on PATH"], &none[..]].concat());
    refused(folder, &["shop.feeds", "--python", "shop"], &["--python shop is a folder", ".venv/bin/python"]);
}

#[test]
fn flags_of_others_lead_to_ours() {
    let project = project();
    for (args, advice) in [
        (&["--port", "80"][..], "there is no --port: give --bind 127.0.0.1:80"),
        (&["--host", "0.0.0.0", "--port=80"], "there is no --host: give --bind 0.0.0.0:80"),
        (&["-w", "4"], "there is no -w: give --workers 4"),
        (&["--reload"], "there is no --reload: there is no reload yet"),
        (&["--workers", "-1"], "at least 1"),
    ] {
        let ended = check(project.path(), &[&["shop.feeds"], args].concat());
        assert_eq!(ended.status.code(), Some(2), "{}", ended.out);
        says(&ended.errors, &[advice]);
        assert!(!ended.errors.contains("--parent"), "{}", ended.errors);
    }
    let ended = run(project.path(), &["shop.feeds"], |_| ());
    says(&ended.errors, &["forkpool serve shop.feeds"]);
}
