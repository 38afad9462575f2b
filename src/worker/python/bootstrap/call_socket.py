# forkpool's Python side, part 5: calls of shared objects, over descriptor 5 (PROTOCOL.md, section 5).
#
# Any number of threads may call at once: one of those that wait reads for all. Whatever interrupts a call (a
# signal's handler that raises), the frames stay whole and nothing that was handed over is lost.
from _thread import allocate_lock, get_native_id
from itertools import count as numbers

OBJECT_CALL, OPEN, CANCEL = (word_of(kind, 0) for kind in (64, 65, 66))
RETURNED, FAILED, OPENED = word_of(80, 0), word_of(81, 0), word_of(82, 0)
ATOMIC_BYTES = 4096  # a frame of at most so many bytes is sent whole or not at all


class CallSocket:
    """The call socket of this process."""

    def __init__(self):
        self.socket = _socket.socket(fileno=5)
        self.sending = allocate_lock()
        self.reading = allocate_lock()  # whose holder reads for all
        self.waiting = {}  # by number: [the answer, the lock that its thread sleeps on]
        self.number = numbers(1).__next__
        self.buffer = bytearray()  # of a frame that is not whole yet
        self.descriptors = []  # received, not yet taken by their frames

    def ask(self, kind, payload):
        """One request and its answer: (kind, payload, descriptor or None)."""
        if getpid() != worker_pid:
            raise RuntimeError("shared objects cannot be used in a forked child of a worker: "
                               "use them in the function itself or in its threads")
        number = self.number()
        slot = self.waiting[number] = [None, None]
        frame = pack(kind, get_native_id(), number, len(payload)) + payload
        sent = False
        try:
            self.send(frame)
            sent = True
            self.await_answer(slot)
        except BaseException:
            if kind == CANCEL or not sent and len(frame) > ATOMIC_BYTES:
                give_up("a call of a shared object was interrupted in the middle")
            self.abandon(number, slot, sent)
            raise
        return slot[0]

    def send(self, frame):
        with self.sending:
            self.socket.sendall(frame)

    def await_answer(self, slot):
        while slot[0] is None:
            if self.reading.acquire(False):
                try:
                    while slot[0] is None:
                        self.read()
                finally:
                    self.reading.release()
                    if self.waiting:
                        self.wake_another()
            elif slot[1] is None:
                # Known before the reader's place is asked for once more: whoever leaves it wakes somebody.
                slot[1] = lock = allocate_lock()
                lock.acquire()
            else:
                lock.acquire()
                slot[1] = None

    def wake_another(self):
        """The reader leaves: one of those that sleep takes its place."""
        for slot in list(self.waiting.values()):
            lock = slot[1]
            if slot[0] is None and lock is not None:
                wake(lock)
                return

    def read(self):
        """What has come, to those it is for."""
        data, ancillary, _, _ = self.socket.recvmsg(65536, 64, _socket.MSG_CMSG_CLOEXEC)
        if not data:
            give_up("its call socket was closed")
        for level, kind, raw in ancillary:
            if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                self.descriptors += _struct.unpack("%di" % (len(raw) // 4), raw[:len(raw) // 4 * 4])
        buffer = self.buffer
        if not buffer:
            at = self.take(data, 0)
            if at < len(data):
                buffer += data[at:]
        else:
            buffer += data
            if len(buffer) >= 24 and len(buffer) >= 24 + unpack(buffer)[3]:
                whole = bytes(buffer)
                buffer.clear()
                at = self.take(whole, 0)
                buffer += whole[at:]

    def take(self, data, at):
        """Hands out the whole frames in `data`; gives the place where the rest begins."""
        while len(data) - at >= 24:
            word, descriptors, number, length = unpack(data, at)
            if word not in (RETURNED, FAILED, OPENED):
                give_up("this is no answer to a call: %r" % data[at:at + 24])
            if len(data) - at < 24 + length:
                break
            descriptor = self.descriptors.pop(0) if descriptors else None
            slot = self.waiting.pop(number, None)
            if slot is not None:
                slot[0] = (word, data[at + 24:at + 24 + length], descriptor)
                lock = slot[1]
                if lock is not None:
                    wake(lock)
            elif descriptor is not None:
                close(descriptor)
            at += 24 + length
        return at

    def abandon(self, number, slot, sent):
        """Nobody waits for this answer any more: what it handed over, or was about to, goes back."""
        withdrawn = self.ask(CANCEL, b"%d" % number)[1] == b"true"
        self.waiting.pop(number, None)
        if slot[0] is not None:
            if slot[0][2] is not None:
                close(slot[0][2])
        elif sent and not withdrawn:
            give_up("the answer of a shared object was lost when its call was interrupted")


def wake(lock):
    try:
        lock.release()
    except RuntimeError:
        pass  # somebody else has just done so


call_socket = None


def the_call_socket():
    """The call socket of this process, opened when it is first needed."""
    global call_socket
    if call_socket is None:
        if worker_pid is None:
            raise RuntimeError("shared objects live in workers: call forkpool.connect inside of a function, "
                               "not while its module is loaded")
        call_socket = CallSocket()
    return call_socket


# ---- values

say = _json.make_encoder(None, plain, quote, None, ":", ",", False, False, False)  # for several threads


def said(value):
    try:
        return "".join(say(value, 0))
    except RecursionError:
        raise ValueError("the value contains itself or is nested too deeply") from None


def read_value(payload):
    if not payload:
        return None
    text = payload.decode()
    return scan(text, 0)[0] if "$" not in text else scan_marked(text, 0, "reference_hook")[0]


def call_object(path, method, arguments=""):
    """One method of the object at `path`; `arguments` is the text of a JSON object or nothing."""
    word, payload, _ = the_call_socket().ask(OBJECT_CALL, ("%s %s\n%s" % (path, method, arguments)).encode())
    if word == RETURNED:
        return read_value(payload)
    raise error_of(read_value(payload), path)


# ---- errors: the library's own, by their names

class ObjectError(RuntimeError):
    """What a shared object answered that the library has no exception for; `code` is the API's."""

    code = None


class UnknownObject(ObjectError, LookupError):
    """There is no object of this name (any more)."""


BY_CODE = {"empty": "Empty", "full": "Full", "over-release": "ValueError", "not-owner": "AssertionError",
           "broken-barrier": "BrokenBarrierError", "closed": "EOFError", "invalid-request": "TypeError",
           "unknown-method": "AttributeError"}


def error_of(told, path):
    """The exception that a failure stands for."""
    code, detail = told.get("code"), told.get("detail", "")
    raised_there = told.get("exception")
    if raised_there:
        name, message = raised_there.get("type", ""), raised_there.get("message", detail)
        args = raised_there.get("args", [message] if message else [])
    else:
        name, args = BY_CODE.get(code), [detail]
    name = (name or "").rpartition(".")[2]
    if name in ("Empty", "Full"):
        import queue
        return getattr(queue, name)()
    if name == "BrokenBarrierError":
        import threading
        return threading.BrokenBarrierError()
    kind = __builtins__.get(name)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(*args)
        except Exception:
            return kind(detail)
    error = (UnknownObject if code == "unknown-object" else ObjectError)("%s: %s" % (path, detail))
    error.code = code
    return error
