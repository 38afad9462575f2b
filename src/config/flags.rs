//! From what was given to the configuration: flags and environment are laid over the file, the defaults fill the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::settings::{WORKERS_MAX, default};
use super::{
    Bind, Config, ConfigError, Limits, ServeFlags, TokenFile, commands, file, processors, targets, tokens,
};

impl ServeFlags {
    /// The whole configuration, or what is wrong with it. Reads the file that `config` names.
    ///
    /// # Errors
    /// The first thing that is refused, with the setting's name and what to give instead.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let mut flags = match &self.config {
            Some(path) => {
                let below = file::read(path)?;
                self.over(below)
            }
            None => self,
        };
        let builtin = flags.builtin.is_some_and(|switch| switch.0);
        let python = targets::python(targets::Given {
            targets: flags.targets.take().unwrap_or_default(),
            functions: flags.function.take().unwrap_or_default(),
            interpreter: flags.python.clone(),
            paths: flags.python_path.take().unwrap_or_default(),
            builtin,
        })?;
        // As they are searched: absolute, none twice.
        flags.python_path = python.as_ref().map(|python| python.added_paths.clone());
        let settings = flags.values();
        let limits = Limits::from(&flags);
        let given = flags.command.unwrap_or_default();
        let commands = commands::all(&given, flags.commands.unwrap_or_default())?;
        if python.is_none() && !builtin && commands.is_empty() && !flags.own_functions {
            let hint = "give a file (tasks.py), a module (package.module), --function os.getpid, \
                        --command 'count=wc -w' or --builtin";
            return Err(ConfigError(format!("nothing to serve: {hint}")));
        }
        let bind = flags.bind.unwrap_or_default();
        let insecure_no_auth = flags.insecure_no_auth.unwrap_or_else(default::insecure_no_auth).0;
        let (tokens, warnings) = callers(&bind, flags.token_file, insecure_no_auth)?;
        Ok(Config {
            bind,
            tokens,
            insecure_no_auth,
            allow_hosts: flags.allow_host.unwrap_or_default(),
            allow_origins: flags.allow_origin.unwrap_or_default(),
            public_url: flags.public_url,
            warnings,
            python,
            builtin,
            commands,
            own_functions: flags.own_functions,
            workers: flags.workers.map_or_else(default_workers, |workers| workers.get()),
            pools: flags.pools.unwrap_or_default(),
            functions: flags.functions.unwrap_or_default(),
            preload: flags.preload.unwrap_or_else(default::preload),
            run_timeout: flags.run_timeout.map(|timeout| timeout.0),
            worker_output: flags.worker_output.unwrap_or_else(default::worker_output),
            log_format: flags.log_format.unwrap_or_else(default::log_format),
            log_jobs: flags.log_jobs.unwrap_or_else(default::log_jobs),
            tracebacks: flags.tracebacks.unwrap_or_else(default::tracebacks).0,
            limits,
            settings,
        })
    }

    /// Paths that a file names count from the file's own folder.
    pub(super) fn anchor(&mut self, folder: &Path) {
        for target in self.targets.iter_mut().flatten().filter(|target| targets::is_file(target)) {
            if let Some(path) = folder.join(&*target).to_str() {
                *target = path.to_owned();
            }
        }
        if let Some(path) = &mut self.token_file {
            *path = folder.join(&*path);
        }
        for path in self.python_path.iter_mut().flatten() {
            *path = folder.join(&*path);
        }
        for entry in self.commands.iter_mut().flat_map(BTreeMap::values_mut) {
            entry.folder = Some(folder.to_owned());
        }
        // A bare name is looked up on PATH.
        if let Some(python) = self.python.as_mut().filter(|python| python.components().count() > 1) {
            *python = folder.join(&*python);
        }
    }
}

/// Who may call, and what is unwise about it.
fn callers(
    bind: &Bind,
    token_file: Option<PathBuf>,
    insecure_no_auth: bool,
) -> Result<(Option<TokenFile>, Vec<String>), ConfigError> {
    match token_file {
        Some(_) if insecure_no_auth => {
            let detail = "--token-file and --insecure-no-auth exclude each other: leave one out";
            Err(ConfigError(detail.to_owned()))
        }
        Some(path) => {
            let read = tokens::read(&path)?;
            Ok((Some(TokenFile { path, tokens: Arc::new(read.tokens) }), read.warnings))
        }
        None if bind.is_local() => Ok((None, Vec::new())),
        None if insecure_no_auth => {
            let detail = "other machines can reach this server, and whoever does may run its functions";
            Ok((None, vec![format!("--insecure-no-auth: no tokens are asked for at {bind}: {detail}")]))
        }
        None => Err(ConfigError(bind.refusal())),
    }
}

/// The processors this process may use, within what a pool may have.
pub(super) fn default_workers() -> usize {
    processors::usable().min(usize::try_from(WORKERS_MAX).unwrap_or(usize::MAX))
}

#[cfg(test)]
#[path = "flags_tests.rs"]
mod tests;
