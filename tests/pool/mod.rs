//! The pool from outside: hand-out, pipes, shared pages, workers at rest, large maps.

mod environment;
mod hand_out;
mod large_maps;
mod live;
mod logs;
mod pages;
mod waiting_in_pipes;
mod workers;
