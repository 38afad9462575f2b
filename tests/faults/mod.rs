//! Faults from outside: workers, zygotes and servers that die, functions that misbehave, clients that
//! leave. Names carry the numbers of the catalogue of faults. After each, the server must go on or end
//! well; the support checks that.

mod after_the_last_item;
mod answers;
mod brake;
mod cancels;
mod clients;
mod drain;
mod exceptions;
mod large_chunks;
mod left_behind;
mod left_by_orphans;
mod refusals;
mod server_death;
mod stopped;
mod unread_answers;
mod wire;
mod worker_death;
mod writing;
mod zygote_death;
mod zygote_lost;
