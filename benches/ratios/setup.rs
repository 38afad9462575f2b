//! What a run needs of the machine: the interpreter, `wrk`, and the peers in a scratch virtual environment.
//!
//! Installs what is missing and says what it could not install; the rows that need it are skipped then.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Options;

/// Where things are, and which of the peers are there.
pub struct Machine {
    /// Everybody's interpreter, in a bare virtual environment: launchers in front of an interpreter and
    /// start-up hooks in its `site-packages` are no part of what is measured.
    pub python: PathBuf,
    /// The interpreter that the environments are made of.
    real: PathBuf,
    /// The scripts of the peers.
    pub peers: PathBuf,
    scratch: PathBuf,
    /// Each with its version, or why it is missing.
    pub wrk: Result<String, String>,
    pub fastapi: Result<String, String>,
    pub mosec: Result<String, String>,
}

impl Machine {
    pub fn prepare(options: &Options) -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let scratch = root.join("scratch");
        fs::create_dir_all(scratch.join("bench-logs")).map_err(|e| e.to_string())?;
        let real = real_interpreter(options.python.as_ref())?;
        let python = environment(&real, &scratch.join("venv-bare"), &["--without-pip"])?;
        let not_needed = || Err("no row needs it".to_owned());
        let mut machine = Self {
            python,
            real,
            peers: root.join("benches/peers"),
            scratch,
            wrk: not_needed(),
            fastapi: not_needed(),
            mosec: not_needed(),
        };
        if crate::apply::ROWS.iter().chain(crate::latency::ROWS).any(|row| options.wants(row)) {
            machine.wrk = told("wrk", Self::install_wrk());
        }
        if options.wants("apply-fastapi") || options.wants("apply-fastapi-p99") {
            machine.fastapi =
                told("FastAPI", machine.install(&["fastapi", "uvicorn"], &["uvloop", "httptools"]));
        }
        if options.wants("apply-mosec") {
            machine.mosec = told("Mosec", machine.install(&["mosec"], &[]));
        }
        Ok(machine)
    }

    pub fn venv_python(&self) -> PathBuf {
        self.scratch.join("venv/bin/python")
    }

    /// Where a contender's standard error goes.
    pub fn log(&self, name: &str) -> PathBuf {
        self.scratch.join("bench-logs").join(format!("{name}.log"))
    }

    fn install_wrk() -> Result<String, String> {
        if Command::new("wrk").arg("-v").output().is_err() {
            eprintln!("installing wrk");
            // A stale index is no reason to give up before the installation itself fails.
            let _ = said(Command::new("apt-get").args(["-qq", "update"]));
            said(
                Command::new("apt-get")
                    .args(["-qq", "-y", "install", "wrk"])
                    .env("DEBIAN_FRONTEND", "noninteractive"),
            )?;
        }
        // `wrk -v` prints its version and ends with status 1.
        let output = Command::new("wrk").arg("-v").output().map_err(|e| format!("wrk: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.split(" [").next().unwrap_or_default().trim().to_owned())
    }

    /// Installs the packages unless they are there; those in `faster` are welcome but not needed.
    fn install(&self, needed: &[&str], faster: &[&str]) -> Result<String, String> {
        environment(&self.real, &self.scratch.join("venv"), &[])?;
        let mut versions = self.versions(needed).or_else(|_| {
            self.pip(needed)?;
            self.versions(needed)
        })?;
        for package in faster {
            let version = self.versions(&[*package]).or_else(|_| {
                self.pip(&[*package])?;
                self.versions(&[*package])
            });
            match version {
                Ok(version) => versions = format!("{versions}, {version}"),
                Err(reason) => eprintln!("without {package}: {reason}"),
            }
        }
        Ok(versions)
    }

    fn pip(&self, packages: &[&str]) -> Result<String, String> {
        eprintln!("installing {}", packages.join(" "));
        said(Command::new(self.venv_python()).args(["-m", "pip", "install", "-q"]).args(packages))
    }

    fn versions(&self, packages: &[&str]) -> Result<String, String> {
        let script = "import importlib, importlib.metadata as m, sys
for name in sys.argv[1:]: importlib.import_module(name)
print(', '.join(f'{name} {m.version(name)}' for name in sys.argv[1:]))";
        said(Command::new(self.venv_python()).args(["-c", script]).args(packages))
    }

    /// The conditions of the run, for the foot of the table.
    pub fn footnote(&self, options: &Options) -> String {
        let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = model
            .lines()
            .find_map(|l| l.strip_prefix("model name"))
            .unwrap_or("")
            .trim_matches([' ', '\t', ':']);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let python = said(Command::new(&self.python).arg("-V")).unwrap_or_default();
        let mut note = format!(
            "Measured on {processors} processors ({model}), Linux {}, {python}; {} workers; medians of {} \
             interleaved rounds of {} s, after a warm-up.",
            kernel.trim(),
            options.workers,
            options.rounds(),
            options.seconds(),
        );
        for version in [&self.wrk, &self.fastapi, &self.mosec].into_iter().flatten() {
            // Writing to a string does not fail.
            let _ = write!(note, " {version}.");
        }
        if options.quick {
            note.push_str(" A quick run: for orientation only.");
        }
        note
    }
}

fn real_interpreter(python: &Path) -> Result<PathBuf, String> {
    let script = "import os, sys; print(os.path.realpath(sys.executable))";
    said(Command::new(python).args(["-c", script])).map(PathBuf::from)
}

/// The interpreter of a virtual environment, which is made anew unless it is one of `python`.
fn environment(python: &Path, folder: &Path, flags: &[&str]) -> Result<PathBuf, String> {
    let inside = folder.join("bin/python");
    if real_interpreter(&inside).is_ok_and(|real| real == python) {
        return Ok(inside);
    }
    eprintln!("making a virtual environment in {}", folder.display());
    said(Command::new(python).args(["-m", "venv", "--clear"]).args(flags).arg(folder))?;
    Ok(inside)
}

fn told<T>(what: &str, installed: Result<T, String>) -> Result<T, String> {
    installed.map_err(|reason| {
        eprintln!("NOT INSTALLED {what}: {reason}");
        format!("{what} is not installed")
    })
}

/// What a command prints, if it succeeds.
fn said(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}", words.trim().lines().last().unwrap_or("failed")))
}
