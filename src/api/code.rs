//! The codes of problems, one entry each. A problem's status and title, the responses of the OpenAPI document and
//! the book's table of codes are read off this table.

use super::responses::Group;
use crate::jobs::FailureCode;
use crate::objects::ErrorCode;

/// What the table says of a code.
#[derive(Debug)]
pub struct CodeSpec {
    /// As it travels.
    pub code: &'static str,
    /// The HTTP status of an answer with it.
    pub status: u16,
    /// A title for people.
    pub title: &'static str,
    /// The groups of operations that answer it. Operations list the codes that are theirs alone by themselves.
    pub groups: &'static [Group],
    /// What happened, for the documentation.
    pub about: &'static str,
}

macro_rules! codes {
    ($($name:ident $status:literal $code:literal $title:literal [$($group:ident)*] $about:literal)+) => {
        /// Why a request or a job has no value, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $about] $name,)+
        }

        impl Code {
            /// Every code, by status.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What the table says of it.
            pub const fn spec(self) -> &'static CodeSpec {
                match self {
                    $(Self::$name => &CodeSpec {
                        code: $code,
                        status: $status,
                        title: $title,
                        groups: &[$(Group::$group),*],
                        about: $about,
                    },)+
                }
            }
        }
    };
}

codes! {
    InvalidJson 400 "invalid-json" "The body can't be read as JSON" [SmallBody Submit Start Object]
        "the body is not JSON, is nested too deeply, or has a number beyond the range of a double"
    InvalidRequest 400 "invalid-request" "The request is invalid" [Every SmallBody Submit Start Object]
        "an unknown or wrong member or parameter (`member` names it)"
    WrongPool 400 "wrong-pool" "The pool can't run this function" [Submit]
        "the pool asked for runs functions of another runtime"
    NotDurable 400 "not-durable" "The job can't be durable" [Submit]
        "`durable` was asked for, and this server keeps jobs in memory"
    Unauthorized 401 "unauthorized" "A token is needed" [Token]
        "no token came, or none that the server knows (`--token-file`)"
    WrongOrigin 403 "wrong-origin" "Wrong Origin" [Every Object]
        "Origin is neither this server, `--public-url` nor an `--allow-origin`"
    UnknownFunction 404 "unknown-function" "There is no such function" [Named Submit Start]
        "no such function; `near` lists similar names"
    UnknownJob 404 "unknown-job" "There is no such job" [Named]
        "no such job, or it was forgotten"
    UnknownPool 404 "unknown-pool" "There is no such pool" [Named Submit]
        "no such pool"
    UnknownProcess 404 "unknown-process" "There is no such process" [Process]
        "no such Process, or it was forgotten"
    UnknownObject 404 "unknown-object" "There is no such object" []
        "no such shared object, or it was deleted while it was waited for"
    UnknownMethod 404 "unknown-method" "There is no such method" []
        "the shared object's kind has no such method"
    NotFound 404 "not-found" "There is nothing here" []
        "nothing is at this path"
    MethodNotAllowed 405 "method-not-allowed" "The method is not allowed here" [Every Probe Object]
        "the path takes other methods, which `Allow` lists"
    NotAcceptable 406 "not-acceptable" "Nothing acceptable can be answered" [Every Object]
        "the answer can't be what Accept asks for"
    ResultTimeout 408 "result-timeout" "TimeoutError" []
        "not ready in time (`title` is `TimeoutError`); the job goes on. Of a value's `add`: its lock wasn't free in \
         time, nothing was added"
    JoinTimeout 408 "join-timeout" "TimeoutError" []
        "the closed pool hadn't ended its work in time, or a queue's items hadn't been dealt with (`title` is \
         `TimeoutError`); it goes on"
    AlreadyExists 409 "already-exists" "The name is taken" []
        "the pool's name is taken, or the object's by one that was made with other arguments"
    Full 409 "full" "Full" []
        "a queue had no free slot in time, as the library's `queue.Full`"
    Empty 409 "empty" "Empty" []
        "a queue had no item in time, as the library's `queue.Empty`"
    Closed 409 "closed" "It is closed" []
        "the queue or the pipe's end is closed, as the library's `ValueError`, `EOFError`, `BrokenPipeError` or \
         `OSError` (`exception`)"
    OverRelease 409 "over-release" "It was released more often than acquired" []
        "a lock or a semaphore was released more often than it was acquired"
    NotOwner 409 "not-owner" "The caller does not hold it" []
        "a lock is held by another than the caller, or by nobody"
    StaleToken 409 "stale-token" "The hold is over" []
        "the token is of a hold of the lock that is over"
    BrokenBarrier 409 "broken-barrier" "BrokenBarrierError" []
        "a party's time was up, or the barrier was aborted or reset"
    MethodRaised 409 "method-raised" "The method raised an exception" []
        "what else the library raises (`exception`: type, message, args)"
    NotFinished 409 "not-finished" "The job has not ended" []
        "a job that runs can't be forgotten: cancel it first"
    PoolClosed 409 "pool-closed" "The pool is closed" [Submit]
        "the pool takes no more work"
    PoolPermanent 409 "pool-permanent" "The pool is permanent" []
        "the pool was made at start: it can't be closed or deleted"
    PoolRunning 409 "pool-running" "The pool is still running" []
        "the pool must be closed before it is joined"
    Expired 410 "expired" "The job has expired" [Accepted]
        "the job's result was kept for its time; so was the answer of an idempotency key"
    LostAtRestart 410 "lost-at-restart" "The job was lost at a restart" [Accepted]
        "the job is from before the server's start, and was kept in memory"
    BodyTooLarge 413 "body-too-large" "The body is too large" [SmallBody Submit Start Object]
        "larger than `--body-limit`, or, where a body holds no work, than 64 KiB (`limit` in bytes; `knob` names the \
         flag if there is one)"
    UnsupportedMediaType 415 "unsupported-media-type" "The content type is not supported"
        [SmallBody Submit Start Object]
        "the body is not `application/json` (for streams `application/x-ndjson`), or is compressed"
    WrongHost 421 "wrong-host" "Wrong Host" [Every Object]
        "Host is neither an IP address nor localhost nor an `--allow-host` name"
    FunctionRaised 422 "function-raised" "The function raised an exception" [Outcome]
        "the function raised (`exception`: type, message, args, traceback; `index` in maps)"
    WorkerDied 422 "worker-died" "The worker died" [Outcome]
        "its process died (`signal` or `exit_code`; `oom` when memory was the reason)"
    RunTimeout 422 "run-timeout" "The task ran for too long" [Outcome]
        "a task ran for longer than its `run_timeout`; its worker was killed"
    QueueTimeout 422 "queue-timeout" "The job waited for too long" [Outcome]
        "nothing of the job had started after its `queue_timeout`"
    Cancelled 422 "cancelled" "The job was cancelled" [Outcome]
        "the job was cancelled"
    Interrupted 422 "interrupted" "The server went down under the job" [Outcome]
        "the server stopped before the job was done"
    PoolTerminated 422 "pool-terminated" "The job's pool was terminated" [Outcome]
        "the job's pool was terminated before the job was done"
    InitializerFailed 422 "initializer-failed" "The initializer failed" []
        "no pool was made: its workers' initializer failed (`exception`)"
    IdempotencyMismatch 422 "idempotency-mismatch" "The key belongs to another request" []
        "the key came with another request before"
    InvalidArguments 422 "invalid-arguments" "The arguments don't fit the function" [Outcome Start]
        "the arguments don't fit the function (`path` says where)"
    UnknownRef 422 "unknown-ref" "The arguments refer to an unknown object" [Outcome Start]
        "an argument refers to a shared object that doesn't exist, or (native functions) is of another kind (`path` \
         says which argument)"
    CommandFailed 422 "command-failed" "The command failed" [Outcome]
        "the command's exit status is not 0, or a signal ended it (`exit_code` or `signal`, and `stderr`)"
    ResultNotJson 422 "result-not-json" "The value can't be written as JSON" [Outcome]
        "the value can't be written as JSON (`path` says where); of a shared value or array: it holds what is no \
         number, or infinite"
    ResultTooLarge 422 "result-too-large" "The value is too large" [Outcome]
        "the value is larger than `--result-limit`; so is what was asked of a shared object (ask for a slice)"
    WorkerProtocolError 422 "worker-protocol-error" "The worker broke the protocol" [Outcome]
        "the job's worker broke the protocol, and was replaced"
    Starting 503 "starting" "The server is starting" [Every Object]
        "the server is loading code; `/readyz` says when it takes work"
    Draining 503 "draining" "The server is going down" [Every Object]
        "the server is going down and takes no more work; what would have to wait doesn't"
    Overloaded 503 "overloaded" "The server is at its limit" [Every Probe Object]
        "the queue is full, too many connections, Processes or workers of pools live, the idempotency keys are as many \
         as they may be, or the shared objects are as many or as large as they may be (`knob` names the limit)"
    FunctionQuarantined 503 "function-quarantined" "The function is in quarantine" [Every]
        "the function killed 10 workers within 10 s; `Retry-After` says when it is taken again"
    Unavailable 503 "unavailable" "No worker can take work" [Every]
        "from `/readyz`: a pool made at start has no worker now; what is submitted waits in the queue until one is \
         back. From `POST /v1/pools`: its workers were not ready in time. From `POST /v1/processes`: no process came"
}

impl Code {
    /// As it travels.
    pub const fn as_str(self) -> &'static str {
        self.spec().code
    }
}

macro_rules! every_one_is_a_code {
    ($of:ident: $($name:ident)+; $($other:ident = $code:ident)*) => {
        impl From<$of> for Code {
            fn from(code: $of) -> Self {
                match code {
                    $($of::$name => Self::$name,)+
                    $($of::$other => Self::$code,)*
                }
            }
        }
    };
}

every_one_is_a_code! {
    FailureCode: FunctionRaised WorkerDied RunTimeout QueueTimeout Cancelled Interrupted PoolTerminated ResultNotJson
    ResultTooLarge WorkerProtocolError InvalidArguments CommandFailed UnknownRef;
    NotStarted = Interrupted
}

every_one_is_a_code! {
    ErrorCode: InvalidJson InvalidRequest UnknownObject UnknownMethod AlreadyExists OverRelease NotOwner StaleToken
    BrokenBarrier Full Empty Closed MethodRaised ResultTimeout JoinTimeout ResultNotJson ResultTooLarge Overloaded
    Draining;
}

/// The table of codes in Markdown, as the book has it.
pub fn table_of_codes() -> String {
    let row = |code: &Code| {
        let CodeSpec { code, status, about, .. } = code.spec();
        format!("| {status} | `{code}` | {about} |\n")
    };
    let rows: String = Code::ALL.iter().map(row).collect();
    format!("| status | code | what happened |\n|---|---|---|\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::catalog::KINDS;

    #[test]
    fn codes_differ_and_stand_by_status() {
        let specs: Vec<&CodeSpec> = Code::ALL.iter().map(|code| code.spec()).collect();
        assert!(specs.is_sorted_by_key(|spec| spec.status));
        for (at, spec) in specs.iter().enumerate() {
            let spelt = spec.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            assert!(spelt && specs[..at].iter().all(|other| other.code != spec.code), "{}", spec.code);
        }
    }

    #[test]
    fn workers_are_told_the_same_codes_of_objects() {
        let methods = KINDS.iter().flat_map(|kind| kind.methods);
        let listed = methods.flat_map(|method| method.errors).map(|(code, _)| *code);
        for code in listed.chain([ErrorCode::UnknownObject, ErrorCode::UnknownMethod, ErrorCode::Draining]) {
            assert_eq!(Code::from(code).as_str(), code.as_str());
        }
    }
}
