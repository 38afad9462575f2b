# forkpool's Python side, part 3, second half: the zygote. It loads the modules, says what they offer, forks workers.

CONTROL = 6  # descriptors 0 to 5 have their meaning in a worker: nothing else may take them


def take_places():
    """Move the control socket away from 0; /dev/null on 0 and, until there is a worker, on 3 to 5."""
    die_with_parent()
    name_process(b"forkpool-zygote")
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
    dup2(0, CONTROL, inheritable=False)
    null = os.open("/dev/null", os.O_RDWR)
    for place in (0, 3, 4, 5):
        if place != null:
            dup2(null, place, inheritable=place == 0)
    if null > CONTROL:
        close(null)
    # C's output is not buffered: no task needs an fflush. Python's goes out by lines, and never fails a task.
    c_call("setvbuf", Pointer.from_address(_ctypes.dlsym(process, "stdout")), None, 2, Pointer(0))
    for name, place in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is not None:
            made = stream_of_a_pipe(place)
            setattr(sys, name, made)
            setattr(sys, "__%s__" % name, made)
    return _socket.socket(fileno=CONTROL)


def stream_of_a_pipe(place):
    """A text stream on a descriptor. In workers that is a pipe: so it must not be taken for a file that can seek."""
    kept, ends = dup(place), os.pipe()
    dup2(ends[1], place)
    made = open(place, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    dup2(kept, place)
    for each in (kept, *ends):
        close(each)
    return made


def receive(control):
    """The next packet and its descriptors; the end of the socket is the end of the zygote."""
    try:
        data, ancillary, _, _ = control.recvmsg(131072, 256, _socket.MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        # Nothing to do for a while: spare later workers the compilation of parts 4 to 6.
        rarely("explain")
        shared("reference_hook")
        gc.freeze()
        control.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, bytes(16))
        return receive(control)
    if not data:
        _exit(0)
    descriptors = []
    for level, kind, raw in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            count = len(raw) // 4
            descriptors += _struct.unpack("%di" % count, raw[:4 * count])
    return scan(data.decode(), 0)[0], descriptors


def connect(path):
    """The shared object at a path of the API, such as /v1/queues/q or /v1/pipes/p/0."""
    if not isinstance(path, str):
        raise TypeError("the path of an object is a text, such as /v1/queues/q")
    return shared("opened")(path)


def current_job():
    """The job whose function this is: its id, attempt, function and tags. None outside of a task."""
    return rarely("job_of_task")()


def progress(done, total, message=None):
    """Say how far the function is, as often as you like: what was said last is shown in the job and its events."""
    rarely("say_progress")(done, total, message)


def make_module():
    """The module `forkpool`, without a file: its functions, and the classes once they are asked for."""
    def lazily(name):
        if not name.startswith("_"):
            shared("opened")  # which puts them there
            if name in vars(module):
                return vars(module)[name]
        raise AttributeError("module 'forkpool' has no attribute %r" % name)

    global library
    about = "What a function can ask of the server, in its workers."
    module = library = sys.modules["forkpool"] = type(sys)("forkpool", about)
    for function in (connect, current_job, progress):
        function.__module__ = "forkpool"
        setattr(module, function.__name__, function)
    module.__getattr__ = lazily


class Zygote:
    """The control socket, what was asked, and what is offered."""

    def __init__(self):
        self.control = take_places()
        self.asked, _ = receive(self.control)
        self.functions = []
        self.types = []  # by function: what its annotations say, or None
        self.layouts = []  # by function: which arguments go by position (see `types_of`)
        self.names = {}  # in the order of their announcement
        self.late = ("",)
        if self.asked.get("preload", True):
            self.late = tuple(each + "." for each in self.asked.get("late", ()))
        self.in_worker = False  # or in the process that announces for the workers
        if getppid() != self.asked["server_pid"]:
            _exit(70)

    def send(self, packet, descriptors=()):
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, _struct.pack("i", each)) for each in descriptors]
        self.control.sendmsg([to_json(packet).encode()], rights)

    def refuse(self, what, reason, message, error=None, **more):
        """Loading failed: say so and end."""
        packet = dict(op="refused", what=what, reason=reason, message=cut(message, 8192))
        packet.update((name, value) for name, value in more.items() if value)
        if error is not None:
            text = rarely("traceback_of")(error)
            if text:
                packet["traceback"] = text
        if len(to_json(packet)) > 120000:
            packet.pop("traceback", None)
        flush_streams()
        self.send(packet)
        _exit(3)

    # ---- loading

    def load(self):
        """Load and offer what is loaded before the fork; in a worker, what is left to it (`late`)."""
        asked = self.asked
        for file in asked["files"]:
            if self.is_due(file["module"]):
                self.offer_module(file["module"], load_file, file["path"], self)
        for name in asked["modules"]:
            if self.is_due(name):
                self.offer_module(name, load_named, self)
        for name in asked["functions"]:
            if self.is_due(name) and name not in self.names:
                self.offer(name, self.importing(name, resolve, name, self))

    def is_due(self, name):
        return (name + ".").startswith(self.late) == self.in_worker

    def importing(self, what, how, *arguments):
        """Run the user's code that loads `what`; whatever goes wrong in it is told by that name."""
        self.send({"op": "loading", "what": what})
        try:
            loaded = how(*arguments)
        except BaseException as error:
            message, advice = rarely("import_failure")(error, self)
            self.refuse(what, "import-failed", message, error, advice=advice)
        if not self.in_worker and thread_count() != 1:
            rarely("refuse_threads")(self, what)
        return loaded

    def offer_module(self, name, load, *more):
        """The public functions of a module, in their order there."""
        module, found = self.importing(name, with_functions, load, name, *more)
        for name, value in found:
            self.offer(module.__name__ + "." + name, value)
        if not found or self.asked.get("say_skipped"):
            rarely("say_skipped")(self, module, len(found))

    def offer(self, name, function):
        if name in self.names:
            return
        self.names[name] = None
        self.functions.append(function)
        packet = {"op": "function", "name": name}
        known, layout = None, ((), "args")
        try:
            doc = getattr(function, "__doc__", None)
            if isinstance(doc, str) and doc.strip():
                packet["doc"] = cut(tidy_doc(doc), 4096)
            described = describe(function)
            signature = signature_of(function, described)
            if signature and len(signature.encode()) <= 1024:
                packet["signature"] = signature
            if described is not None and described.annotated():
                known = typed("FunctionTypes")(described)
            types, own = types_in_text(signature) if described is None else types_of(described, known)
            if types and len(to_json(types)) <= 98304:  # the whole announcement is one packet
                packet["types"] = with_marks(types)
                layout = own
        except Exception:
            pass  # a description is not worth a refusal
        self.types.append(known)
        self.layouts.append(layout)
        self.send(packet)

    # ---- forking

    def run(self):
        """Load, then fork a worker for each request."""
        make_module()
        if self.asked["protocol"] != 1:
            self.refuse("python", "unsupported", "the protocol's version is not 1")
        self.send({"op": "interpreter", "path": own_path(), "version": sys.version.split()[0]})
        if "folder" in self.asked:
            sys.path.insert(end_of_library(), self.asked["folder"])
        sys.path[:0] = self.asked["paths"]
        self.load()
        self.wrap_functions()
        if self.late:
            rarely("announce_from_a_child")(self)
        if "logging" in sys.modules:
            handle_logs()
        gc.collect()
        gc.freeze()
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        flush_streams()
        self.send({"op": "ready"})
        wait = _struct.pack("ll", 0, 200000)
        self.control.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, wait)
        while True:
            packet, received = receive(self.control)
            if packet["op"] == "fork":
                self.fork(packet["worker"], received, packet)

    def wrap_functions(self):
        """The functions as they are called: coroutines are awaited, values said as their annotation says, and what JSON
        has no form for is made of arguments."""
        calls = self.functions
        flags = [flags_of(each) for each in calls]
        if any(each & ASYNC for each in flags):
            calls = self.importing("asyncio", rarely("awaiting_calls"), calls, flags)
        self.calls_as_json = [call if known is None or known.say is None else typed("saying")(call, known)
                              for call, known in zip(calls, self.types)]
        self.calls = [call if known is None or not known.is_reviving else typed("reviving")(call, known)
                      for call, known in zip(self.calls_as_json, self.types)]
        yielding.update(which for which, known in enumerate(self.types)
                        if flags[which] & YIELDING or known is not None and known.is_lazy)

    def fork(self, number, received, asked):
        try:
            if len(received) != 5:
                self.fork_failed(number, "fork", "%d descriptors came instead of 5" % len(received))
                return
            if thread_count() != 1:
                self.fork_failed(number, "thread-started", "a thread runs in the zygote" + rarely("thread_names")())
                return
            flush_streams()
            child = fork()
            if child == 0:
                self.fork_again(number, received, asked)
            _, status = waitpid(child, 0)
            if status != 0:
                self.fork_failed(number, "fork", "the intermediate process ended with status %d" % status)
        except ChildProcessError:
            pass  # a user's module ignores SIGCHLD: there is no status to see
        except OSError as error:
            self.fork_failed(number, "fork", str(error))
        finally:
            for descriptor in received:
                close(descriptor)

    def fork_again(self, number, received, wanted):
        """In the intermediate process: fork the worker, tell of it, end, so that the server inherits it."""
        worker = 0
        try:
            worker = fork()
            if worker == 0:
                become_worker(self, received, wanted)
            self.send({"op": "forked", "worker": number, "pid": worker}, [pidfd_open(worker)])
            _exit(0)
        except OSError as error:
            if worker:
                os.kill(worker, 9)
            self.fork_failed(number, "fork", str(error))
            _exit(0)
        finally:
            _exit(1)

    def fork_failed(self, number, reason, message):
        self.send({"op": "fork-failed", "worker": number, "reason": reason, "message": cut(message, 8192)})


def pidfd_open(pid):
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    descriptor = c_call("syscall", 434, pid, 0)  # an interpreter built on old headers
    if descriptor < 0:
        raise OSError("pidfd_open failed")
    return descriptor


# ---- threads

def thread_count():
    """Threads of this process, C code's too. One that was joined just now may need a moment to be gone."""
    for _ in range(250):
        count = len(os.listdir("/proc/self/task"))
        if count == 1:
            break
        sleep(0.002)
    return count


# ---- modules and names

def own_path():
    return sys.executable or os.readlink("/proc/self/exe")


def end_of_library():
    """Where on sys.path installed packages begin: what stands here hides some of them, but no standard module."""
    library = os.path.dirname(os.__file__)
    return max((at for at, each in enumerate(sys.path, 1)
                if each in (library, library + "/lib-dynload") or each.endswith(".zip")), default=0)


def with_functions(load, *arguments):
    module = load(*arguments)
    return module, public_functions(module)


def public_functions(module):
    """The names and values that a module offers: what its `__all__` names, else what it defines itself."""
    listed = all_of(module)
    if listed is not None:
        found = [(name, getattr(module, name, None)) for name in listed]
        return [each for each in found if is_function(each[1])]
    return [(name, value) for name, value in list(vars(module).items())
            if not name.startswith("_") and is_function(value) and defines(module.__name__, value)]


def all_of(module):
    """The names in a module's `__all__`, each once; None if it says nothing."""
    listed = getattr(module, "__all__", None)
    if isinstance(listed, (list, tuple)):
        return list(dict.fromkeys(name for name in listed if isinstance(name, str)))
    return None


def load_named(name, zygote):
    """The module of this name, unless a standard one would be taken for one of the folder's."""
    path = os.path.join(zygote.asked.get("folder") or "/", *name.split("."))
    if is_standard(name.partition(".")[0]):
        for path in (path + ".py", path + "/__init__.py"):
            if os.path.exists(path):
                refuse_standard(zygote, name, path)
    return load_module(name)


def refuse_standard(zygote, name, path, where=None):
    zygote.refuse(name, "shadows-standard-module",
                  "%s is named like %s: give it another name" % (path, where or "a standard module"))


def load_module(name):
    __import__(name)
    return sys.modules[name]


def load_file(name, path, zygote):
    """The module in this very file, whatever else of its name is on sys.path."""
    loaded = sys.modules.get(name)
    where = getattr(loaded, "__file__", None)
    if loaded is not None and where is not None and os.path.realpath(where) == os.path.realpath(path):
        return loaded  # another file has imported it
    if loaded is not None or is_standard(name):
        refuse_standard(zygote, name, path, where)
    import _frozen_importlib
    import _frozen_importlib_external
    spec = _frozen_importlib_external.spec_from_file_location(name, path)
    if spec is None:
        raise ImportError("%s is not a Python file" % path)
    module = sys.modules[name] = _frozen_importlib.module_from_spec(spec)
    spec.loader.exec_module(module)
    return sys.modules[name]


def is_standard(name):
    if sys.version_info >= (3, 10):
        return name in sys.stdlib_module_names
    import _frozen_importlib_external
    library = os.path.dirname(os.__file__)
    places = [library, os.path.join(library, "lib-dynload")]
    found = _frozen_importlib_external.PathFinder.find_spec(name, places) if name != "test" else None
    return name in sys.builtin_module_names or found is not None and found.loader is not None


def resolve(name, zygote):
    """The callable of a dotted name: attributes of the longest part of it that can be imported."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:count])
        try:
            value = load_module(module)
        except ModuleNotFoundError as error:
            # Only if it is our own name that isn't there: a module's own failing import is a failure.
            if error.name is None or not (module + ".").startswith(error.name + "."):
                raise
            continue
        for at in range(count, len(parts)):
            if not hasattr(value, parts[at]):
                zygote.refuse(name, "not-found", rarely("no_attribute")(value, parts, at))
            owner, value = value, getattr(value, parts[at])
        if not callable(value):
            zygote.refuse(name, "not-callable", "it is %s, not a function" % type(value).__name__)
        if is_method(owner, parts[-1]):
            zygote.refuse(name, "not-callable", "it is a method, which needs an instance of %s: make it a class method or "
                          "a static method, or offer a function that makes the instance" % parts[-2])
        return value
    if len(parts) == 1:
        zygote.refuse(name, "not-found", "a function is named module.function")
    advice = rarely("where_it_may_be")(parts[0], zygote) + rarely("who_looked")(zygote)
    zygote.refuse(name, "not-found", "there is no module %s" % parts[0], advice="\n".join(advice))


def is_method(owner, name):
    """Whether this member of a class is a function of Python that takes an instance."""
    for each in getattr(owner, "__mro__", ()) if isinstance(owner, type) else ():
        if name in vars(each):
            member = vars(each)[name]
            return type(member) is FUNCTION or (hasattr(member, "__wrapped__")
                                                and not isinstance(member, (staticmethod, classmethod)))
    return False


def is_function(value):
    """Whether it is a function, or an instance that can be called."""
    try:
        return callable(value) and not isinstance(value, type) and type(value).__module__ != "typing"
    except Exception:
        return False


def defines(module, value):
    try:
        return value.__module__ == module
    except Exception:
        return False


ASYNC, YIELDING = 128 | 512, 32 | 512  # CO_COROUTINE, CO_ASYNC_GENERATOR, CO_GENERATOR


def flags_of(function):
    """What its code says of what a call gives, beneath decorators, partials and methods."""
    try:
        for _ in range(20):
            inner = getattr(function, "__wrapped__", None) or getattr(function, "__func__", None)
            if inner is None and type(function).__name__ == "partial":
                inner = function.func
            if inner is None:
                break
            function = inner
        if not hasattr(function, "__code__"):
            function = type(function).__call__
        return function.__code__.co_flags
    except Exception:
        return 0


Zygote().run()
