//! The command from outside: each subcommand as a program, and servers at their start and end.

mod check_config;
mod demo;
mod examples;
mod logs;
mod modules;
mod openapi;
mod starting;
mod stdout;
mod subreaper;
mod tokens;
mod unix_socket;
