

# forkpool's Python side, part 6: shared objects as the library's own, method by method.

TIMEOUT_MAX = 86400.0  # seconds; a longer wait is one without end


def waits(block, timeout):
    """The arguments of a call that may block, as JSON members."""
    if not block:
        return '"block":false'
    if timeout is None:
        return ""
    timeout = float(timeout)
    if timeout != timeout:
        raise ValueError("the timeout is not a number")
    if timeout > TIMEOUT_MAX:
        return ""
    return '"timeout":%r' % max(0.0, timeout)


def braced(*members):
    return "{" + ",".join(member for member in members if member) + "}"


class Proxy:
    """A shared object; it may be put into others, returned, and used from any thread of its worker."""

    def __init__(self, path):
        self._path = path

    def __repr__(self):
        return "<%s %s>" % (type(self).__name__, self._path)

    def __reduce__(self):
        return connect, (self._path,)


def path_of_proxy(proxy):
    return object.__getattribute__(proxy, "_path")


# ---- queues and pipes

class Queue(Proxy):
    _closed = False

    def put(self, obj, block=True, timeout=None):
        self._check()
        call_object(self._path, "put", braced('"obj":' + said(obj), waits(block, timeout)))

    def get(self, block=True, timeout=None):
        self._check()
        return call_object(self._path, "get", braced(waits(block, timeout)))

    def put_nowait(self, obj):
        self.put(obj, False)

    def get_nowait(self):
        return self.get(False)

    def qsize(self):
        return call_object(self._path, "qsize")

    def empty(self):
        return call_object(self._path, "empty")

    def full(self):
        return call_object(self._path, "full")

    def task_done(self):
        call_object(self._path, "task_done")

    def join(self):
        call_object(self._path, "join")

    def close(self):
        """This process is done with it, as in the library: others go on."""
        self._closed = True

    def join_thread(self):
        """Nothing to wait for: what was put is in the queue."""

    cancel_join_thread = join_thread

    def _check(self):
        if self._closed:
            raise ValueError("Queue %r is closed" % self)


class Connection(Proxy):
    closed = False

    def send(self, obj):
        self._check()
        call_object(self._path, "send", '{"obj":%s}' % said(obj))

    def recv(self):
        self._check()
        return call_object(self._path, "recv")

    def poll(self, timeout=0.0):
        self._check()
        return call_object(self._path, "poll", braced(waits(True, timeout) or '"timeout":null'))

    def close(self):
        if not self.closed:
            call_object(self._path, "close")
            self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.close()

    def _check(self):
        if self.closed:
            raise OSError("handle is closed")


# ---- locks

class Lock(Proxy):
    recovered = False  # whether its holder before this one died

    def acquire(self, block=True, timeout=None):
        answer = call_object(self._path, "acquire", braced(waits(block, timeout)))
        if answer["acquired"]:
            self.recovered = answer.get("recovered", False)
        return answer["acquired"]

    def release(self):
        call_object(self._path, "release")

    def locked(self):
        return call_object(self._path, "locked")

    def __enter__(self):
        return self.acquire()

    def __exit__(self, kind, value, traceback):
        self.release()


class RLock(Lock):
    pass


class Semaphore(Lock):
    def get_value(self):
        return call_object(self._path, "get_value")


class BoundedSemaphore(Semaphore):
    pass


class Condition(Lock):
    def wait(self, timeout=None):
        try:
            return call_object(self._path, "wait", braced(waits(True, timeout)))
        except Exception:
            raise
        except BaseException:
            # Interrupted: as in the library it is held again before anything else runs.
            self.acquire()
            raise

    def wait_for(self, predicate, timeout=None):
        result = predicate()
        until = None if timeout is None else now() + timeout * 1e9
        while not result:
            left = None if until is None else (until - now()) / 1e9
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    def notify(self, n=1):
        call_object(self._path, "notify", '{"n":%s}' % said(n))

    def notify_all(self):
        call_object(self._path, "notify_all")


class Event(Proxy):
    def set(self):
        call_object(self._path, "set")

    def clear(self):
        call_object(self._path, "clear")

    def is_set(self):
        return call_object(self._path, "is_set")

    def wait(self, timeout=None):
        return call_object(self._path, "wait", braced(waits(True, timeout)))


class Barrier(Proxy):
    def wait(self, timeout=None):
        return call_object(self._path, "wait", braced(waits(True, timeout)))

    def abort(self):
        call_object(self._path, "abort")

    def reset(self):
        call_object(self._path, "reset")

    parties = property(lambda self: shown(self._path)["parties"])
    n_waiting = property(lambda self: shown(self._path)["n_waiting"])
    broken = property(lambda self: shown(self._path)["broken"])


# ---- values and arrays: C objects in memory that all workers map

class Mapping:
    """Shared memory, mapped for as long as something points into it. Holds no descriptor."""

    def __init__(self, descriptor, size):
        self.size = size
        self.address = Mapper(_ctypes.dlsym(process, "mmap"))(None, Pointer(size), 3, 1, descriptor, Pointer(0))
        if self.address in (None, 2 ** 64 - 1, 2 ** 32 - 1):
            raise MemoryError("the shared memory cannot be mapped")

    def __del__(self, c_call=c_call, Pointer=Pointer):
        if self.address is not None:
            c_call("munmap", Pointer(self.address), Pointer(self.size))


cells = {}  # by typecode


def cell_of(code):
    if code not in cells:
        cells[code] = type("c_" + code, (_ctypes._SimpleCData,), {"_type_": code})
    return cells[code]


class Memory(Proxy):
    """What values and arrays have in common; the lock is an RLock of their own."""

    recovered = False
    acquire, release = Lock.acquire, Lock.release
    __enter__, __exit__ = Lock.__enter__, Lock.__exit__

    def __init__(self, path, opened=None):
        self._path = path
        self._mapped = None if opened is None else self._map(*opened)

    def _map(self, told, descriptor):
        kind = cell_of(told["typecode"])
        if "length" in told:
            kind = type("Array", (_ctypes.Array,), {"_type_": kind, "_length_": told["length"]})
        try:
            size = _ctypes.sizeof(kind)
            if not size:
                return kind()
            if os.fstat(descriptor).st_size < size:
                raise MemoryError("the shared memory is smaller than it should be")
            mapping = Mapping(descriptor, size)
        finally:
            close(descriptor)
        mapped = kind.from_address(mapping.address)
        mapped._mapping = mapping
        return mapped

    def get_obj(self):
        if self._mapped is None:
            self._mapped = self._map(*opened_at(self._path))
        return self._mapped

    def get_lock(self):
        if not hasattr(self, "_lock"):
            self._lock = RLock(self._path)
        return self._lock


def through(name):
    """An attribute of the C object."""
    def read(self):
        return getattr(self.get_obj(), name)

    def write(self, value):
        setattr(self.get_obj(), name, value)
    return property(read, write)


class Value(Memory):
    value = through("value")


class Array(Memory):
    value, raw = through("value"), through("raw")  # of typecode c (and u) alone, as there

    def __len__(self):
        return len(self.get_obj())

    def __getitem__(self, index):
        return self.get_obj()[index]

    def __setitem__(self, index, value):
        self.get_obj()[index] = value


# ---- what a Manager serves

class Dict(Proxy):
    def __getitem__(self, key):
        return call_object(self._path, "__getitem__", '{"key":%s}' % said(key))

    def __setitem__(self, key, value):
        call_object(self._path, "__setitem__", '{"key":%s,"value":%s}' % (said(key), said(value)))

    def __delitem__(self, key):
        call_object(self._path, "__delitem__", '{"key":%s}' % said(key))

    def __contains__(self, key):
        return call_object(self._path, "__contains__", '{"key":%s}' % said(key))

    def __len__(self):
        return call_object(self._path, "__len__")

    def __iter__(self):
        return iter(self.keys())

    def keys(self):
        return call_object(self._path, "keys")

    def values(self):
        return call_object(self._path, "values")

    def items(self):
        return [(key, value) for key, value in call_object(self._path, "items")]

    def copy(self):
        return dict(self.items())

    def get(self, key, default=None):
        return call_object(self._path, "get", '{"key":%s,"default":%s}' % (said(key), said(default)))

    def setdefault(self, key, default=None):
        return call_object(self._path, "setdefault", '{"key":%s,"default":%s}' % (said(key), said(default)))

    def pop(self, key, *default):
        if len(default) > 1:
            raise TypeError("pop expected at most 2 arguments, got %d" % (1 + len(default)))
        more = '"default":' + said(default[0]) if default else ""
        return call_object(self._path, "pop", braced('"key":' + said(key), more))

    def popitem(self):
        return tuple(call_object(self._path, "popitem"))

    def clear(self):
        call_object(self._path, "clear")

    def update(self, *other, **more):
        content = dict(*other)
        content.update(more)
        call_object(self._path, "update", '{"items":%s}' % said([list(pair) for pair in content.items()]))

    def __str__(self):
        return repr(self.copy())

    def __repr__(self):
        return "<DictProxy object, typeid 'dict' at %#x>" % id(self)


class List(Proxy):
    def __getitem__(self, index):
        return call_object(self._path, "__getitem__", braced(*place(index)))

    def __setitem__(self, index, value):
        value = list(value) if type(index) is slice else value
        call_object(self._path, "__setitem__", braced(*place(index), '"value":' + said(value)))

    def __delitem__(self, index):
        call_object(self._path, "__delitem__", braced(*place(index)))

    def __contains__(self, value):
        return call_object(self._path, "__contains__", '{"value":%s}' % said(value))

    def __len__(self):
        return call_object(self._path, "__len__")

    def __iter__(self):
        at = 0
        while True:
            try:
                item = self[at]
            except IndexError:
                return
            yield item
            at += 1

    def __reversed__(self):
        return reversed(self.copy())

    def __add__(self, other):
        return self.copy() + list(other)

    def __mul__(self, count):
        return self.copy() * count

    __rmul__ = __mul__

    def __iadd__(self, other):
        self.extend(other)
        return self

    def __imul__(self, count):
        call_object(self._path, "__imul__", '{"value":%s}' % said(count))
        return self

    def append(self, object):
        call_object(self._path, "append", '{"object":%s}' % said(object))

    def extend(self, iterable):
        call_object(self._path, "extend", '{"iterable":%s}' % said(list(iterable)))

    def insert(self, index, object):
        call_object(self._path, "insert", '{"index":%s,"object":%s}' % (said(index), said(object)))

    def pop(self, index=-1):
        return call_object(self._path, "pop", '{"index":%s}' % said(index))

    def remove(self, value):
        call_object(self._path, "remove", '{"value":%s}' % said(value))

    def count(self, value):
        return call_object(self._path, "count", '{"value":%s}' % said(value))

    def index(self, value, *bounds):
        bounds = [member % said(at) for at, member in zip(bounds, ('"start":%s', '"stop":%s'))]
        return call_object(self._path, "index", braced('"value":' + said(value), *bounds))

    def sort(self, *, key=None, reverse=False):
        if key is not None:
            raise TypeError("a key function cannot travel: sort a copy, or sort by what the items begin with")
        call_object(self._path, "sort", '{"reverse":%s}' % said(bool(reverse)))

    def reverse(self):
        call_object(self._path, "reverse")

    def clear(self):
        call_object(self._path, "clear")

    def copy(self):
        return call_object(self._path, "copy")

    def __str__(self):
        return repr(self.copy())

    def __repr__(self):
        return "<ListProxy object, typeid 'list' at %#x>" % id(self)


def place(index):
    """An index or a slice as members of the arguments."""
    if type(index) is not slice:
        return ['"index":' + said(index)]
    parts = (("start", index.start), ("stop", index.stop), ("step", index.step))
    return ['"%s":%s' % (name, said(part)) for name, part in parts if part is not None] or ['"start":0']


class Namespace(Proxy):
    def __init__(self, path):
        object.__setattr__(self, "_path", path)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return call_object(self._path, "__getattribute__", '{"name":%s}' % said(name))

    def __setattr__(self, name, value):
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            call_object(self._path, "__setattr__", '{"name":%s,"value":%s}' % (said(name), said(value)))

    def __delattr__(self, name):
        if name.startswith("_"):
            object.__delattr__(self, name)
        else:
            call_object(self._path, "__delattr__", '{"name":%s}' % said(name))


KINDS = {"queues": Queue, "pipes": Connection, "locks": Lock, "rlocks": RLock, "semaphores": Semaphore,
         "bounded_semaphores": BoundedSemaphore, "conditions": Condition, "events": Event, "barriers": Barrier,
         "values": Value, "arrays": Array, "dicts": Dict, "lists": List, "namespaces": Namespace}
PROXIES = (Proxy,)


# ---- references

def opened_at(path):
    """What the server tells of the object, and the descriptor of its memory."""
    word, payload, descriptor = the_call_socket().ask(OPEN, path.encode())
    if word != OPENED:
        raise error_of(read_value(payload), path)
    return read_value(payload), descriptor


def shown(path):
    return opened_at(path)[0]


def opened(path):
    """The object at `path`."""
    told, descriptor = opened_at(path)
    kind = KINDS[path.split("/")[2]]
    return kind(path, (told, descriptor)) if issubclass(kind, Memory) else kind(path)


def unopened(path):
    """The object at `path`, which is looked for when it is used."""
    parts = path.split("/") if isinstance(path, str) else ()
    if len(parts) < 4 or parts[2] not in KINDS:
        return {"$forkpool": path}  # not ours: the value is as it was put there
    return KINDS[parts[2]](path)


def reference_hook(open_one=unopened):
    """What makes objects of references, each once in a payload."""
    to_plain, found = rarely("bytes_hook"), {}

    def hook(members):
        if len(members) != 1 or "$forkpool" not in members:
            return to_plain(members)
        path = members["$forkpool"]
        if not isinstance(path, str):
            return open_one(path)
        if path not in found:
            found[path] = open_one(path)
        return found[path]
    return hook


def argument_hook():
    return reference_hook(open_argument)


def open_argument(path):
    if isinstance(path, str):
        try:
            return opened(path)
        except UnknownObject:
            pass
    raise UnknownReference(path)


for each in list(KINDS.values()) + [ObjectError, UnknownObject]:
    each.__module__ = "forkpool"
    setattr(library, each.__name__, each)
