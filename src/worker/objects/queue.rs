//! Queues and the ends of pipes.

use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ObjectError;
use super::reference::{Reference, object, said, timeout};

/// A queue of the server's, as an argument: `{"$forkpool": "/v1/queues/q"}`.
pub struct Queue<T> {
    at: Reference,
    items: PhantomData<fn(T) -> T>,
}

object!(Queue<T>, "queues", |at| Self { at, items: PhantomData });

impl<T: Serialize> Queue<T> {
    /// Puts an item; waits for a free slot.
    pub fn put(&self, item: &T) -> Result<(), ObjectError> {
        self.at.run("put", &format!("{{\"obj\":{}}}", said(item)?))
    }

    /// Puts an item if there is a free slot in time; whether there was.
    pub fn put_timeout(&self, item: &T, wait: Duration) -> Result<bool, ObjectError> {
        let arguments = format!("{{\"obj\":{},\"timeout\":{}}}", said(item)?, wait.as_secs_f64());
        Ok(self.at.ask_or::<()>("full", "put", &arguments)?.is_some())
    }
}

impl<T: DeserializeOwned> Queue<T> {
    /// Takes an item; waits for one.
    pub fn get(&self) -> Result<T, ObjectError> {
        self.at.ask("get", "")
    }

    /// Takes an item if there is one in time.
    pub fn get_timeout(&self, wait: Duration) -> Result<Option<T>, ObjectError> {
        self.at.ask_or("empty", "get", &timeout(Some(wait)))
    }
}

impl<T> Queue<T> {
    /// Items in it just now.
    pub fn qsize(&self) -> Result<usize, ObjectError> {
        self.at.ask("qsize", "")
    }

    /// An item that was taken is done with (joinable queues).
    pub fn task_done(&self) -> Result<(), ObjectError> {
        self.at.run("task_done", "")
    }

    /// Waits until every item is done with (joinable queues).
    pub fn join(&self) -> Result<(), ObjectError> {
        self.at.run("join", "")
    }
}

/// An end of a pipe, as an argument: `{"$forkpool": "/v1/pipes/p/0"}`.
pub struct Connection<T> {
    at: Reference,
    items: PhantomData<fn(T) -> T>,
}

object!(Connection<T>, "pipes", |at| Self { at, items: PhantomData });

impl<T: Serialize> Connection<T> {
    /// Sends a message to the other end.
    pub fn send(&self, message: &T) -> Result<(), ObjectError> {
        self.at.run("send", &format!("{{\"obj\":{}}}", said(message)?))
    }
}

impl<T: DeserializeOwned> Connection<T> {
    /// Waits for a message. Once the other end is closed and all is read, the error's code is `closed`.
    pub fn recv(&self) -> Result<T, ObjectError> {
        self.at.ask("recv", "")
    }
}

impl<T> Connection<T> {
    /// Whether there is a message (or the end) in time.
    pub fn poll(&self, wait: Duration) -> Result<bool, ObjectError> {
        self.at.ask("poll", &timeout(Some(wait)))
    }

    /// Closes this end.
    pub fn close(&self) -> Result<(), ObjectError> {
        self.at.run("close", "")
    }
}
