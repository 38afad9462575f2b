# forkpool's Python side, part 2: a worker, from its fork to its last task.

# ---- C functions (the C library is in the process already; ctypes itself would cost 5 ms more)

class Pointer(_ctypes._SimpleCData):
    _type_ = "P"


class Word(_ctypes._SimpleCData):
    _type_ = "Q"


class Page(_ctypes.Array):
    _type_ = Word
    _length_ = 512


class Mapper(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL
    _restype_ = Pointer


process = _ctypes.dlopen(None, 2)


def c_call(name, *arguments):
    return _ctypes.call_function(_ctypes.dlsym(process, name), arguments)


def name_process(name):
    c_call("prctl", 15, name)  # PR_SET_NAME


def die_with_parent():
    c_call("prctl", 1, 9)  # PR_SET_PDEATHSIG, SIGKILL


def map_page(descriptor):
    """The shared page, writable. (`mmap.mmap` would keep a descriptor of its own.)"""
    address = Mapper(_ctypes.dlsym(process, "mmap"))(None, 4096, 3, 1, descriptor, 0)
    if address in (None, 2 ** 64 - 1, 2 ** 32 - 1):
        raise OSError("cannot map the page")
    return Page.from_address(address)


def map_own_page():
    """A page that is empty in every child, however that was forked: `own[0]` is 1 in the worker alone."""
    private, wipe_on_fork = 0x22, 18  # MAP_PRIVATE | MAP_ANONYMOUS, MADV_WIPEONFORK
    address = Mapper(_ctypes.dlsym(process, "mmap"))(None, 4096, 3, private, -1, 0)
    if address in (None, 2 ** 64 - 1, 2 ** 32 - 1):
        raise OSError("cannot map a page")
    c_call("madvise", Pointer(address), Pointer(4096), wipe_on_fork)
    page = Page.from_address(address)
    page[0] = 1
    return page


# ---- frames (PROTOCOL.md, section 3): magic, version, kind and codec are taken as one 32-bit word

def word_of(kind, codec):
    return 0xF0 | 1 << 8 | kind << 16 | codec << 24


CALL, CALL_KEYWORDS, MAP, STARMAP = word_of(1, 1), word_of(2, 1), word_of(3, 1), word_of(4, 1)
MAP_ITEMS, STARMAP_ITEMS, CALL_TYPED, PING = word_of(5, 1), word_of(6, 1), word_of(7, 1), word_of(8, 0)
MAP_TYPED, MAP_TYPED_ITEMS = word_of(9, 1), word_of(10, 1)
CALL_YIELDING, CALL_TYPED_YIELDING, TAKEN, STOP = word_of(11, 1), word_of(12, 1), word_of(13, 0), word_of(14, 0)
UNYIELDING = {CALL_YIELDING: CALL_KEYWORDS, CALL_TYPED_YIELDING: CALL_TYPED}
AS_JSON = word_of(0, 2) - word_of(0, 1)  # between a task and the same of which nothing is to be converted
READY, PONG, PART = word_of(16, 0), word_of(24, 0), word_of(25, 1)
VALUE, RAISED, NOT_JSON, INVALID_ARGUMENTS, TOO_LARGE = (word_of(kind, 1) for kind in range(17, 22))
BOOT_FAILED, UNKNOWN_REF, RETIRE = word_of(23, 1), word_of(26, 1), word_of(27, 0)

LIST_SEPARATOR = "\x1e"  # between the lists of a MAP
BETWEEN_LISTS = "]\x1e["

header = _struct.Struct("<IIQQ")
pack, unpack = header.pack, header.unpack_from
unpack_task = _struct.Struct("<IIQQ20xI").unpack_from  # and the length of its tags
put = _struct.Struct("8Q").pack_into  # words 1 to 8 of the page, each in one move
ATOMIC_BODY = 4096 - 24  # a frame of at most so many bytes is written whole (PIPE_BUF)


packet = bytearray(4096)  # the task that runs, or its beginning: whose it is (see part 4) is looked up when it is asked
tags = b""  # the tags of the last task that had any


def read_rest(size, length, tagged):
    """The arguments of a task with tags or of more than a packet, of which `size` bytes have been read."""
    global tags
    payload = bytearray(length - 24)
    at = size - 48
    payload[:at] = packet[48:size]
    view = memoryview(payload)
    length -= 24
    while at < length:
        size = readv(3, [view[at:]])
        if size == 0:
            _exit(0)
        at += size
    view.release()
    tags = bytes(payload[:tagged])
    del payload[:tagged]
    return payload


def answer(word, sequence, body, took=0):
    """Write one whole frame; the task `took` so many nanoseconds."""
    head = pack(word, took if took < 4294967296 else 4294967295, sequence, len(body))
    if len(body) <= 65536:
        frame = head + body
        sent = write(4, frame)
        if sent == len(frame):
            return
        rest = memoryview(frame)[sent:]
    else:
        # Not joined: that would copy a large value once more.
        sent = writev(4, (head, body))
        while sent < 24:
            sent += writev(4, (head[sent:], body))
        rest = memoryview(body)[sent - 24:]
    while rest:
        rest = rest[write(4, rest):]


# ---- between tasks

def flush_streams():
    """What Python code printed goes out. A task may have closed, deleted or replaced the streams."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except BaseException:
            pass


def give_up(why):
    """End this worker: its head task, if it has one, fails as `worker-died`."""
    try:
        write(2, ("forkpool: worker %d ends: %s\n" % (getpid(), why)).encode("utf-8", "replace"))
    finally:
        _exit(71)


def leave_copy(error):
    """A forked child of a task came back into the loop: it must neither read nor answer."""
    try:
        flush_streams()
        code = getattr(error, "code", 1) if isinstance(error, SystemExit) else int(error is not None)
        code = 0 if code is None else code & 255 if isinstance(code, int) else 1
    except BaseException:
        code = 1
    finally:
        _exit(code)


def on_interrupt(signal, frame):
    """SIGINT is KeyboardInterrupt for the function that runs, and nothing between tasks.

    Only where serve expects an exception: at another stage than READING, not while it handles one already.
    """
    if frame.f_code is serve.__code__ and exc_info()[1] is not None:
        return
    while frame is not None and frame.f_code is not serve.__code__:
        frame = frame.f_back
    if frame is not None and frame.f_locals["stage"] != READING:
        raise KeyboardInterrupt


# ---- tasks

READING, CALLING, SAYING = range(3)  # the stages of a task: where an exception came from
unstarted = []  # the items of the slice of a map that runs
pace = {}  # by function index: items of a map that take about a millisecond
own = None  # see map_own_page
# By function index:
function_types = []  # what its annotations say (see part 7), or None
layouts = []  # which of its arguments go by position: see `types_of`
calls_as_json = []  # how it is called where nothing is converted
calls_by_name = {}  # how typed calls call it, once there are any
yielding = set()  # those that yield, as far as that is known beforehand


def call_by_name(which):
    call = calls_by_name.get(which)
    if call is None:
        call = rarely("taking_names")(calls_as_json[which], function_types[which], layouts[which])
        calls_by_name[which] = call
    return call


def call_of_items(call, which, is_typed, most):
    """What a map calls for each of its items."""
    if is_typed:
        call = call_by_name(which)
    return rarely("listing")(call, most) if which in yielding else call


def forget_work():
    """In a child that a function forked: neither the rest of the chunk nor the next task is the child's."""
    own[0] = 0
    unstarted.clear()
    closerange(3, 6)


def run_map(call, which, items, values, before, page, through):
    """[call(item) for item in items] into `values` (through `map` or `starmap`), in slices of about 1 ms, for the
    page's word 6.

    `before` items of the chunk are done. After an exception len(values) is the index of the item that failed: extend
    keeps what came before it.
    """
    global unstarted
    me = getpid()
    total = len(items)
    size = pace.get(which, 1)
    at = 0
    try:
        while at < total:
            unstarted = items[at:at + size] if at or size < total else items
            count = len(unstarted)
            begun = now()
            values.extend(through(call, unstarted))
            took = now() - begun
            if getpid() != me:
                return
            at += count
            if len(values) != at:
                raise StopIteration  # the function did, which ends an iteration silently
            page[6] = before + at
            size = max(1, min(count * 1000000 // (took or 1), 4 * size))
        pace[which] = size
    finally:
        unstarted = []


class Json(str):
    """JSON already."""


def run_items(word, call, functions, which, items, sequence, page, result_bytes_max, tracebacks):
    """A record for each item. Those older than 5 ms or larger than 256 KiB go ahead as a PART; gives the rest."""
    record_max = result_bytes_max + len('{"value":}')
    spread = word == STARMAP_ITEMS
    records, size, done, late = [], 0, 0, 0
    for item in items:
        if records and (size > 262144 or now() > late):
            flush_streams()
            answer(PART, sequence, ("[" + ",".join(records) + "]").encode())
            records, size = [], 0
        if not records:
            late = now() + 5000000
        value, stage = None, CALLING
        try:
            value = call(*item) if spread else call(item)
            stage = SAYING
            record = f'{{"value":{value!r}}}' if type(value) is int else '{"value":' + to_json(value) + "}"
            if len(record) > record_max:
                record = failed(TOO_LARGE, b'{"bytes":%d}' % (len(record) - len('{"value":}')))
        except BaseException as error:
            if not own[0]:
                leave_copy(error)
            open_values.clear()
            record = failed(*explain_failure(stage, error, functions, which, word, item, None, value, tracebacks))
        if not own[0]:
            leave_copy(None)
        records.append(record)
        size += len(record)
        done += 1
        page[6] = done
    return Json("[" + ",".join(records) + "]")


def failed(word, told):
    """The record of an item that has no value."""
    return '{"error":{"kind":%d,"told":%s}}' % (word >> 16 & 255, told.decode())


def serve(functions, calls, page, result_bytes_max, tracebacks):
    """The loop: read one whole task, run it, write its whole answer. Ends by _exit only.

    `calls` are the functions as they are called (wrapped where they are `async def`, or something of their arguments is
    to be made). This is the path whose speed
    counts: what is rare is elsewhere, and the body of the loop is in one piece.
    """
    global audit_at
    me = getpid()
    buffer = packet
    into = [buffer]
    started = good = bad = busy = 0
    _, stdout, stderr = kept.streams
    again = None  # the payload of a task whose reading failed once
    which = None  # the function of the last task
    stage = READING
    while True:
        try:
            while True:
                if again is None:
                    buffer[0] = 0  # until a packet is here: see below
                    size = readv(3, into)
                    if size <= 24:
                        if size == 24 and unpack(buffer)[0] == PING:
                            # It has nothing to do: nobody waits for this look.
                            try:
                                spoiled = which is not None and is_spoiled(audit(which))
                            except BaseException:
                                spoiled = True  # what was left raised at the call
                            _, stdout, stderr = kept.streams
                            if spoiled:
                                answer(RETIRE, 0, b"")
                            answer(PONG, unpack(buffer)[2], b"")
                            while spoiled:
                                sleep(60)
                            continue
                        if size == 24 and unpack(buffer)[0] in (TAKEN, STOP):
                            continue  # for the task before, which has ended
                        _exit(0) if size == 0 else give_up("this is not a task: %r" % bytes(buffer[:size]))
                    word, which, sequence, length, tagged = unpack_task(buffer)
                    payload = buffer[48:size]
                    if tagged or length != size - 24:
                        payload = read_rest(size, length, tagged)
                    started += 1
                begun = now()
                put(page, 8, 2, sequence, started, good, bad, 0, busy, begun)
                args = kwargs = value = None
                before, said = 0, []  # of a MAP: the items of the lists that are done, and their values in JSON
                try:
                    text = payload.decode()
                    if "$" in text:
                        # What an argument stands for is found before any of the chunk runs.
                        text = text.replace(BETWEEN_LISTS, ",")
                        args, end = scan_marked(text, 0)
                    else:
                        args, end = scan(text, 0)
                    call = calls[which]
                    if word > 0x1FFFFFF:  # codec 2
                        word, call = word - AS_JSON, calls_as_json[which]
                    if word == CALL:
                        stage = CALLING
                        value = call(*args)
                    elif word == MAP or word == STARMAP or word == MAP_TYPED:
                        call = call_of_items(call, which, word == MAP_TYPED, result_bytes_max)
                        while True:
                            value = []
                            stage = CALLING
                            run_map(call, which, args, value, before, page, starmap if word == STARMAP else map)
                            if text[end:end + 1] != LIST_SEPARATOR:
                                break
                            # Said and let go list by list: all of a large chunk's values at once fit no cache.
                            stage = SAYING
                            body = "".join(encode(value, 0)).encode()
                            if getpid() != me:
                                leave_copy(None)
                            said.append(memoryview(body)[1 if said else 0:-1])
                            stage = CALLING
                            before += len(args)
                            args = value = []
                            args, end = scan(text, end + 1)
                    elif word == MAP_ITEMS or word == STARMAP_ITEMS or word == MAP_TYPED_ITEMS:
                        call = call_of_items(call, which, word == MAP_TYPED_ITEMS, result_bytes_max)
                        stage = CALLING
                        value = run_items(word, call, functions, which, args, sequence, page, result_bytes_max,
                                          tracebacks)
                    elif word == CALL_KEYWORDS:
                        args, kwargs = args
                        stage = CALLING
                        value = call(*args, **kwargs)
                    elif word == CALL_TYPED:
                        stage = CALLING
                        value = call_by_name(which)(args)
                    elif word in UNYIELDING:
                        word = UNYIELDING[word]
                        stage = CALLING
                        if word == CALL_TYPED:
                            value = call_by_name(which)(args)
                        else:
                            args, kwargs = args
                            value = call(*args, **kwargs)
                        value = rarely("told_each")(value, sequence, result_bytes_max)
                    else:
                        give_up("unknown task %#x" % word)
                    stage = SAYING
                    kind = type(value)
                    if kind is int:
                        text = repr(value)
                    elif kind is str:
                        text = quote(value)
                    elif kind is Json:
                        text = value
                    elif kind is not dict and kind is not list and hasattr(kind, "__next__"):
                        stage = CALLING
                        text = value = rarely("gathered")(value, result_bytes_max)
                        kind = Json
                    else:
                        text = "".join(encode(value, 0))
                    body = text.encode()
                    if said:
                        body = b",".join(said + [memoryview(body)[1:]])
                    outcome = VALUE
                    if len(body) > result_bytes_max and kind is not Json:
                        outcome, body = TOO_LARGE, b'{"bytes":%d}' % len(body)
                    stage = READING
                except BaseException as error:
                    failed_in, stage = stage, READING
                    if getpid() != me:
                        leave_copy(error)
                    open_values.clear()
                    if failed_in == READING and again is None and not isinstance(error, UnknownReference):
                        # It may be none of the arguments' but what a task before left: a handler's exception.
                        again = payload
                        audit(which)
                        continue
                    if word > 0x1FFFFFF:
                        word -= AS_JSON
                    word = UNYIELDING.get(word, word)
                    outcome, body = explain_failure(failed_in, error, functions, which, word, args, kwargs,
                                                    payload if failed_in == READING else value, tracebacks, before)
                if getpid() != me:
                    leave_copy(None)
                try:
                    out, err = sys.stdout, sys.stderr
                    out.flush()
                    err.flush()
                    if out is not stdout or err is not stderr:
                        audit_at = 0
                except BaseException:
                    flush_streams()
                    audit_at = 0
                if outcome == VALUE:
                    good += 1
                else:
                    bad += 1
                ended = now()
                took = ended - begun
                busy += took
                if ended >= audit_at or which not in trusted or count_threads() > threads_kept:
                    try:
                        spoiled = is_spoiled(audit(which))
                    except BaseException:
                        spoiled = True  # what was left raised at the call: a trace function
                    _, stdout, stderr = kept.streams
                    if spoiled:
                        answer(RETIRE, 0, b"")
                else:
                    spoiled = False
                if word == CALL:
                    items = 0
                elif word == MAP_ITEMS or word == STARMAP_ITEMS or word == MAP_TYPED_ITEMS:
                    items = page[6]  # what ran has run, told or not
                else:
                    # Only of a list of ours: a value's truth may be anything, an error too (numpy).
                    is_map = word == MAP or word == STARMAP or word == MAP_TYPED
                    items = before + (len(value) if is_map and value else 0)
                put(page, 8, 1, 0, started, good, bad, items, busy, 0)
                # An idle worker holds nothing of its tasks.
                args = kwargs = value = payload = text = said = again = None
                if len(body) <= ATOMIC_BODY:
                    # As `answer` does, without a call: this is what most tasks end with.
                    write(4, pack(outcome, took if took < 4294967296 else 4294967295, sequence, len(body)) + body)
                else:
                    answer(outcome, sequence, body, took)
                body = None
                while spoiled:
                    sleep(60)  # what waits in the pipe is for others; the server ends this worker
        except BaseException as error:
            # A signal handler that a task left behind raised here: harmless while the worker waits for one.
            # After that it cannot be known what was read or written: better a death than a wrong answer.
            if buffer[0] or isinstance(error, OSError) and error.errno:
                give_up("%s outside of a task" % type(error).__name__)


def explain_failure(failed_in, error, functions, which, word, args, kwargs, value, tracebacks, before=0):
    """The answer to a task that ended without a value, whatever state it left the interpreter in."""
    try:
        if which >= len(functions):
            give_up("unknown function %d" % which)
        explained = rarely("explain")
        return explained(failed_in, error, functions[which], word, args, kwargs, value, tracebacks, before,
                         layouts[which])
    except BaseException:
        return RAISED, to_json({"type": "Exception", "message": "the failure cannot be described"}).encode()


# ---- the start of a worker (PROTOCOL.md, section 2)

worker_pid = None  # of the process that may use shared objects
worker_page = None  # the shared page
the_zygote = None  # that this worker was forked from


def become_worker(zygote, received, wanted):
    """From the second fork to the end of the process. `wanted` is the fork packet."""
    global worker_pid, worker_page, the_zygote
    try:
        asked = zygote.asked
        tracebacks = asked["tracebacks"]
        page = set_up_worker(received, asked["server_pid"], zygote.control)
        worker_pid = getpid()
        the_zygote = zygote
        if zygote.late:
            rarely("load_in_worker")(zygote)
        functions, calls = zygote.functions, zygote.calls
        function_types.extend(zygote.types)
        layouts.extend(zygote.layouts)
        calls_as_json.extend(zygote.calls_as_json)
        seed_generators()
        os.register_at_fork(after_in_child=forget_work)
        log_to_stderr("process" not in wanted)
        if "process" in wanted:
            rarely("run_process")(wanted["process"]["name"], functions, page, tracebacks)
        name_current_process("ForkPoolWorker-%d" % wanted["worker"], (wanted["worker"],))
        worker_page = page
        initializer = wanted.get("initializer")
        if initializer is not None:
            initialize(calls[initializer["function"]], initializer["args"], tracebacks)
        _signal.signal(_signal.SIGINT, on_interrupt)
        keep(wanted.get("keep_threads"))
        answer(READY, 0, b"")
        serve(functions, calls, page, asked["result_bytes_max"], tracebacks)
    except BaseException as error:
        give_up("%s: %s while it started" % (type(error).__name__, error))
    finally:
        _exit(71)


def name_current_process(name, identity):
    """What multiprocessing says of this process, whether it is imported already or will be."""
    library = sys.modules.get("multiprocessing.process")
    if library is None:
        sys.meta_path.insert(0, Upon("multiprocessing.process", lambda: name_current_process(name, identity)))
    else:
        current = library.current_process()
        current._identity = identity
        current.name = name


class Upon:
    """Finds nothing itself: it waits for a module to be imported, once."""

    def __init__(self, module, action):
        self.module, self.action = module, action

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        from _frozen_importlib_external import PathFinder
        spec = PathFinder.find_spec(name, path, target)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            self.action()
        spec.loader.exec_module = exec_module
        return spec


logs_marked = True  # whether each line of logging begins with its priority (syslog's), which the server takes off
logs_handled = False


def log_to_stderr(marked):
    """Records of `logging` from INFO on go to this process's log, unless the user's code has set it up, or does so.

    Importing it costs milliseconds: that is left to whoever needs it.
    """
    global logs_marked
    logs_marked = marked
    if logs_handled:
        return
    if "logging" in sys.modules:
        handle_logs()
    else:
        sys.meta_path.insert(0, Upon("logging", handle_logs))


def handle_logs():
    """Called in the zygote where modules have imported it, so that a fork finds it done."""
    global logs_handled
    logs_handled = True
    logging = sys.modules["logging"]
    root, configure = logging.root, logging.basicConfig
    if root.handlers or root.level != logging.WARNING:
        return

    class Handler(logging.Handler):
        def emit(self, record):
            if root.handlers != [self]:
                step_aside()  # there is one of the user's own by now
                return
            try:
                level = record.levelno
                mark = "\x1e<%d>" % (2 if level >= 50 else 3 if level >= 40 else 4 if level >= 30 else
                                     6 if level >= 20 else 7) if logs_marked else ""
                lines = self.format(record).split("\n")
                sys.__stderr__.write("".join([mark + line + "\n" for line in lines]))
            except Exception:
                self.handleError(record)

    def step_aside():
        # Not removed from the list: who goes through it now would leave out the next.
        root.handlers = [each for each in root.handlers if each is not handler]
        if logging.basicConfig is basicConfig:
            logging.basicConfig = configure
            if root.level == logging.INFO:
                root.setLevel(logging.WARNING)

    def basicConfig(**kwargs):
        step_aside()
        configure(**kwargs)

    handler = Handler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.basicConfig = basicConfig


def initialize(call, text, tracebacks):
    """Run the pool's initializer; when it fails, say why and leave."""
    me = getpid()
    failure = None
    try:
        args, _ = (scan if "$" not in text else scan_marked)(text, 0)
        call(*args)
    except BaseException as error:
        failure = error
    if getpid() != me:
        leave_copy(failure)
    flush_streams()
    if failure is None:
        return
    try:
        told = rarely("raised" if not isinstance(failure, Violation) else "violated")(failure, tracebacks)
        told["message"] = cut(told["message"], 8192)
    except BaseException:
        told = {"type": "Exception", "message": "the failure cannot be described"}
    answer(BOOT_FAILED, 0, to_json(told).encode())
    _exit(0)


def set_up_worker(received, server_pid, control):
    """Steps 1 to 5. Gives back the page."""
    os.setsid()
    until = now() + 5000000000
    while getppid() != server_pid:
        if now() > until:
            _exit(70)
        sleep(0.00005)
    die_with_parent()
    if getppid() != server_pid:
        _exit(70)
    mark = "%d" % getpid()
    name_process(b"fp-" + mark.encode())
    os.environ["FP_WORKER_PID"] = mark

    # 0 is /dev/null already. The zygote holds 3 to 5 and the control socket, so what was received lies above,
    # unless a user's module closed descriptors that are not its own.
    for at, descriptor in enumerate(received):
        while received[at] < 6:
            received[at] = dup(received[at])
    tasks, results, calls, page, log = received
    dup2(log, 1)
    dup2(log, 2)
    dup2(tasks, 3, inheritable=False)
    dup2(results, 4, inheritable=False)
    dup2(calls, 5, inheritable=False)
    for descriptor in (tasks, results, calls, log, control.detach()):
        close(descriptor)

    c_call("setrlimit", 4, bytes(16))  # RLIMIT_CORE
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        pass
    _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())

    memory = map_page(page)
    close(page)
    memory[0] = getpid()
    memory[1] = 1
    global own
    own = map_own_page()
    return memory


def seed_generators():
    """A seed of its own for each worker. (`random` does so by itself after every fork.)"""
    for module in ("numpy.random", "torch"):
        seed = getattr(sys.modules.get(module), "seed", None)
        if seed is not None:
            seed()
