//! What a Manager serves: dicts, lists, namespaces.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ObjectError;
use super::reference::{Reference, object, said};

/// A dict of the server's, as an argument: `{"$forkpool": "/v1/dicts/d"}`.
pub struct Dict<K, V> {
    at: Reference,
    items: PhantomData<fn() -> (K, V)>,
}

object!(Dict<K, V>, "dicts", |at| Self { at, items: PhantomData });

impl<K: Serialize + DeserializeOwned, V: Serialize + DeserializeOwned> Dict<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Result<Option<V>, ObjectError> {
        self.at.ask_or("KeyError", "__getitem__", &format!("{{\"key\":{}}}", said(key)?))
    }

    /// Sets the value of a key.
    pub fn insert(&self, key: &K, value: &V) -> Result<(), ObjectError> {
        self.at.run("__setitem__", &format!("{{\"key\":{},\"value\":{}}}", said(key)?, said(value)?))
    }

    /// Takes a key out; its value.
    pub fn remove(&self, key: &K) -> Result<Option<V>, ObjectError> {
        self.at.ask_or("KeyError", "pop", &format!("{{\"key\":{}}}", said(key)?))
    }

    /// Whether there is this key.
    pub fn contains_key(&self, key: &K) -> Result<bool, ObjectError> {
        self.at.ask("__contains__", &format!("{{\"key\":{}}}", said(key)?))
    }

    /// All keys with their values.
    pub fn items(&self) -> Result<Vec<(K, V)>, ObjectError> {
        self.at.ask("items", "")
    }
}

impl<K, V> Dict<K, V> {
    /// How many keys there are.
    pub fn size(&self) -> Result<usize, ObjectError> {
        self.at.ask("__len__", "")
    }

    /// Takes all out.
    pub fn clear(&self) -> Result<(), ObjectError> {
        self.at.run("clear", "")
    }
}

/// A list of the server's, as an argument: `{"$forkpool": "/v1/lists/l"}`.
pub struct List<T> {
    at: Reference,
    items: PhantomData<fn(T) -> T>,
}

object!(List<T>, "lists", |at| Self { at, items: PhantomData });

impl<T: Serialize + DeserializeOwned> List<T> {
    /// Puts an item at the end.
    pub fn push(&self, item: &T) -> Result<(), ObjectError> {
        self.at.run("append", &format!("{{\"object\":{}}}", said(item)?))
    }

    /// Puts items at the end.
    pub fn extend(&self, items: &[T]) -> Result<(), ObjectError> {
        self.at.run("extend", &format!("{{\"iterable\":{}}}", said(items)?))
    }

    /// Takes the last item.
    pub fn pop(&self) -> Result<Option<T>, ObjectError> {
        self.at.ask_or("IndexError", "pop", "")
    }

    /// The item at this index.
    pub fn get(&self, index: usize) -> Result<Option<T>, ObjectError> {
        self.at.ask_or("IndexError", "__getitem__", &format!("{{\"index\":{index}}}"))
    }

    /// Another item at this index; whether there is one.
    pub fn set(&self, index: usize, item: &T) -> Result<bool, ObjectError> {
        let arguments = format!("{{\"index\":{index},\"value\":{}}}", said(item)?);
        match self.at.run("__setitem__", &arguments) {
            Err(error) if error.exception() == Some("IndexError") => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// All items.
    pub fn to_vec(&self) -> Result<Vec<T>, ObjectError> {
        self.at.ask("copy", "")
    }
}

impl<T> List<T> {
    /// How many items there are.
    pub fn size(&self) -> Result<usize, ObjectError> {
        self.at.ask("__len__", "")
    }

    /// Turns their order round.
    pub fn reverse(&self) -> Result<(), ObjectError> {
        self.at.run("reverse", "")
    }

    /// Takes all out.
    pub fn clear(&self) -> Result<(), ObjectError> {
        self.at.run("clear", "")
    }
}

/// Values by names, as an argument: `{"$forkpool": "/v1/namespaces/n"}`.
#[derive(Clone)]
pub struct Namespace {
    at: Reference,
}

object!(Namespace, "namespaces", |at| Self { at });

impl Namespace {
    /// The value of a name.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ObjectError> {
        self.at.ask_or("AttributeError", "__getattribute__", &format!("{{\"name\":{}}}", said(name)?))
    }

    /// Sets the value of a name.
    pub fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), ObjectError> {
        self.at.run("__setattr__", &format!("{{\"name\":{},\"value\":{}}}", said(name)?, said(value)?))
    }
}
