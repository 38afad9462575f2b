//! What can be asked of the service, as one closed list, and who asks.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::cursor::Cursor;
use super::stream::Feeder;
use crate::jobs::{Filter, IdempotencyKey, JobId, JobKind, RequestId, Reservation, Terms};
use crate::json::Splitter;
use crate::objects::{Address, Call, Kind};
use crate::processes::ProcessId;

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The name of the token that was sent; `None` where no tokens are asked for.
    pub name: Option<Arc<str>>,
    /// The id of the request, where it came in one that has an id.
    pub request_id: Option<RequestId>,
}

/// One thing that is asked for. Names and ids are as the caller wrote them.
#[derive(Debug)]
pub enum Request {
    /// Run something and wait for its outcome; the job is abandoned if nobody waits any more.
    Run(Box<WantedJob>),
    /// Run a call and pass on what it yields, as it comes.
    RunYielding(Box<WantedJob>),
    /// Run something; its outcome is asked for by the job's id.
    Submit(Box<WantedJob>),
    /// Run a function over a stream of items, an answer per item.
    Stream(Box<ItemStream>),
    /// A job, as soon as it has ended or the time is up.
    Job {
        /// Its id.
        id: String,
        /// For so long at most.
        wait: Duration,
    },
    /// A job's outcome.
    Result {
        /// Its id.
        id: String,
        /// For so long at most.
        timeout: Duration,
    },
    /// Some jobs, newest first.
    Jobs {
        /// Which.
        filter: Filter,
        /// How many at most.
        limit: usize,
        /// Those older than this one.
        cursor: Option<JobId>,
    },
    /// End a job.
    CancelJob {
        /// Its id.
        id: String,
    },
    /// End every job that matches.
    CancelJobs(Filter),
    /// Forget a job that has ended.
    ForgetJob {
        /// Its id.
        id: String,
    },
    /// What a job's tasks printed.
    JobOutput {
        /// Its id.
        id: String,
    },
    /// What happens to a job, as it happens.
    FollowJob {
        /// Its id.
        id: String,
        /// What the caller has been told before.
        from: Cursor,
    },
    /// The functions that are offered.
    Functions,
    /// One function.
    Function {
        /// Its public name.
        name: String,
    },
    /// The pools.
    Pools,
    /// One pool.
    Pool {
        /// Its name.
        name: String,
    },
    /// The workers of a pool.
    Workers {
        /// Its name.
        pool: String,
    },
    /// Make a pool; answered when its workers take tasks.
    MakePool(Box<WantedPool>),
    /// Change how many workers a pool has; what is left out stays.
    ResizePool {
        /// Its name.
        name: String,
        /// Worker processes.
        processes: Option<usize>,
        /// Workers kept ready beyond those.
        spare_workers: Option<usize>,
    },
    /// Let a pool take no more work.
    ClosePool {
        /// Its name.
        name: String,
    },
    /// Wait until a closed pool has ended its work.
    JoinPool {
        /// Its name.
        name: String,
        /// For so long at most.
        timeout: Duration,
    },
    /// End a pool, its jobs and its workers.
    TerminatePool {
        /// Its name.
        name: String,
    },
    /// Run a function in a process of its own; answered when it is about to be called.
    StartProcess(Box<WantedProcess>),
    /// Some Processes, newest first.
    Processes {
        /// How many at most.
        limit: usize,
        /// Those older than this one.
        cursor: Option<ProcessId>,
    },
    /// One Process.
    Process {
        /// Its id.
        id: String,
    },
    /// A Process, as soon as it has ended or the time is up.
    JoinProcess {
        /// Its id.
        id: String,
        /// For so long at most.
        timeout: Duration,
    },
    /// Send a Process a signal.
    SignalProcess {
        /// Its id.
        id: String,
        /// Which.
        signal: ProcessSignal,
    },
    /// What a Process printed.
    ProcessOutput {
        /// Its id.
        id: String,
    },
    /// The shared objects of a kind, by name.
    Objects {
        /// Which kind.
        kind: Kind,
        /// How many at most.
        limit: usize,
        /// Those after this name.
        cursor: Option<String>,
    },
    /// A shared object with its content.
    Object(Address),
    /// Make a shared object.
    MakeObject {
        /// Of which kind and name.
        at: Address,
        /// A JSON object, or nothing.
        arguments: Bytes,
    },
    /// Remove a shared object.
    RemoveObject(Address),
    /// Call a method of a shared object.
    CallObject(Box<Call>),
    /// Whether work that is submitted now can be expected to run.
    Readiness,
}

/// What a caller wants run.
#[derive(Debug)]
pub struct WantedJob {
    /// Public name of the function.
    pub function: String,
    /// What to call it with.
    pub work: WantedWork,
    /// On which terms.
    pub terms: TermsAsked,
    /// Bytes of the request that hold the arguments.
    pub body_bytes: usize,
    /// Those bytes, counted as queued.
    pub room: Reservation,
    /// The idempotency key of a job that is asked for by its id. (That of one whose outcome is waited for is its
    /// answer's.)
    pub key: Option<Box<IdempotencyKey>>,
}

/// What a function is to be called with.
#[derive(Debug)]
pub enum WantedWork {
    /// One call.
    Call {
        /// A JSON array; of a typed call a JSON object with all arguments by name.
        arguments: Bytes,
        /// A JSON object; of a typed call none.
        keywords: Option<Bytes>,
        /// Whether all arguments are given by name, and converted to the function's types.
        typed: bool,
    },
    /// One call per item.
    Map {
        /// A JSON array; indexed, if it is large.
        items: Splitter,
        /// How many they are.
        count: usize,
        /// Items a task; as `multiprocessing.Pool.map` if left out.
        chunksize: Option<usize>,
        /// How an item is a call's arguments.
        spread: Spread,
        /// A record per item, instead of all values or none.
        collect: bool,
    },
}

/// How an item of a map is a call's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// It is the only one (`map`).
    Whole,
    /// It is an array of them (`starmap`).
    ByPosition,
    /// It is an object of them, converted to the function's types (a typed map).
    ByName,
}

impl WantedWork {
    /// Bytes of the arguments.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Call { arguments, keywords, .. } => {
                arguments.len() + keywords.as_ref().map_or(0, Bytes::len)
            }
            Self::Map { items, .. } => items.bytes(),
        }
    }
}

/// What a caller says of how its job is to be run. What isn't said is as the configuration has it for the function.
#[derive(Debug, Default)]
pub struct TermsAsked {
    /// The pool that is to run it, instead of the function's own.
    pub pool: Option<String>,
    /// How often a task that ended without a value is run again.
    pub retries: Option<u32>,
    /// The rest; its `retries` means nothing.
    pub terms: Terms,
}

impl TermsAsked {
    /// The terms of a job; what isn't said is as the configuration has it for the function.
    pub fn into_terms(self, run_timeout: Option<Duration>, retries: u32) -> Terms {
        let mut terms = self.terms;
        terms.run_timeout = terms.run_timeout.or(run_timeout);
        terms.retries = self.retries.unwrap_or(retries);
        terms
    }
}

/// A function to be run over a stream of items.
pub struct ItemStream {
    /// Public name of the function.
    pub function: String,
    /// `Imap` or `ImapUnordered`.
    pub kind: JobKind,
    /// Items a task.
    pub chunksize: usize,
    /// On which terms.
    pub terms: TermsAsked,
    /// Bytes of items that are there already, counted as queued.
    pub room: Reservation,
    /// Whether those are all: else items are read, and count, as they are fed.
    pub is_whole: bool,
    /// What brings the items.
    pub feed: Feed,
}

/// Brings the items of a stream to its feeder; run as a task of its own, ended with the stream.
pub type Feed = Box<dyn FnOnce(Feeder) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

impl fmt::Debug for ItemStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, kind, chunksize, terms, room, is_whole, feed: _ } = self;
        f.debug_struct("ItemStream")
            .field("function", function)
            .field("kind", kind)
            .field("chunksize", chunksize)
            .field("terms", terms)
            .field("room", room)
            .field("is_whole", is_whole)
            .finish_non_exhaustive()
    }
}

/// A pool that a caller wants (`multiprocessing.Pool(…)`), checked as far as that goes without knowing what is
/// served.
#[derive(Debug)]
pub struct WantedPool {
    /// Its name.
    pub name: String,
    /// Its runtime; the only one that is served if left out.
    pub runtime: Option<String>,
    /// Worker processes.
    pub processes: Option<usize>,
    /// Public name of a function that each worker runs first.
    pub initializer: Option<String>,
    /// Its arguments: the text of a JSON array.
    pub initargs: Option<String>,
    /// Tasks a worker.
    pub maxtasksperchild: Option<u64>,
    /// Up to so many more.
    pub maxtasksperchild_jitter: u64,
    /// Bytes that a worker may hold.
    pub max_rss: Option<u64>,
    /// `auto`, `on` or `off`.
    pub preload: Option<&'static str>,
    /// Workers kept ready beyond those.
    pub spare_workers: Option<usize>,
    /// Whether a worker stays in which a task has left threads.
    pub keep_threads: Option<bool>,
}

/// A Process that a caller wants (`multiprocessing.Process(…)`).
#[derive(Debug)]
pub struct WantedProcess {
    /// Public name of the function that it runs.
    pub target: String,
    /// The text of a JSON array.
    pub arguments: Bytes,
    /// The text of a JSON object.
    pub keywords: Option<Bytes>,
    /// Its name; `Process-N` if there is none.
    pub name: Option<String>,
    /// Whether the server's end is its end.
    pub daemon: bool,
    /// The bytes of its arguments, counted as queued until it has them.
    pub room: Reservation,
}

/// A signal for a Process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessSignal {
    /// SIGTERM, to itself alone (`Process.terminate()`).
    Terminate,
    /// SIGKILL, to its process group too (`Process.kill()`).
    Kill,
}
