# forkpool's Python side, part 4: what few tasks need. Compiled when it is first needed (see part 1).
#
# Failures in words (which answer it is, the traceback, the path of what does not fit), bytes, `async def`.
# The modules traceback and inspect would cost 9 and 20 ms to import; inspect is asked for C functions alone.
MESSAGE_MAX, TRACEBACK_MAX, ARGS_MAX, PATH_MAX = 8192, 16384, 8192, 1024


def explain(failed_in, error, function, word, args, kwargs, value, tracebacks, before=0, layout=None):
    """The kind and the payload of the answer to a task that ended without a value.

    `value` is the payload if reading it failed, of a MAP that ran the values so far, else what to say. `args` and
    `value` of a MAP are those of one of its lists, `before` the items in front of that; `args` of a call by name is the
    object of them, and of one of the _ITEMS the item.
    """
    global raised_within
    is_own, raised_within = error is raised_within, None
    index = None
    if isinstance(error, Oversized):
        return TOO_LARGE, b"{}"
    if isinstance(error, Unsayable):
        (steps, message), kind = offender(*error.args[1:]), NOT_JSON
        told = {"message": message, "path": path_of(error.args[0] + steps)}
    elif failed_in == READING and not isinstance(error, Violation):
        kind = UNKNOWN_REF if isinstance(error, UnknownReference) else INVALID_ARGUMENTS
        index, told = unreadable(error, word, value)
    elif failed_in == SAYING and not isinstance(error, (KeyboardInterrupt, SystemExit)):
        kind = NOT_JSON
        steps, message = offender(value, error)
        if word in (MAP, STARMAP, MAP_TYPED) and steps:
            index = steps.pop(0)
        told = {"message": message, "path": path_of(steps)}
    else:
        kind, steps, message = RAISED, None, None
        if word not in (MAP, STARMAP, MAP_TYPED):
            item = args
        elif len(value) < len(args):
            index = len(value)
            item, kwargs = args[index], None
        else:
            is_own = True  # all items have been run
        if not is_own:
            steps, message = misfit(error, function, word, item, kwargs, layout)
        if steps is not None:
            kind = INVALID_ARGUMENTS
            told = {"message": message or message_of(error), "path": path_of(steps)}
        else:
            told = raised(error, tracebacks)
    for name, limit in (("message", MESSAGE_MAX), ("path", PATH_MAX)):
        if name in told:
            told[name] = cut(told[name], limit)
    if index is not None:
        told["index"] = before + index
    return kind, to_json(told).encode()


# ---- exceptions in words

def message_of(error):
    try:
        return str(error)
    except BaseException as second:
        return "(no message: its __str__ raised %s)" % type(second).__name__


def line_of(error):
    """As the last line of a traceback."""
    message = message_of(error)
    return type(error).__name__ + ": " + message if message else type(error).__name__


def raised(error, tracebacks):
    told = {"type": cut(type(error).__name__, 256), "message": message_of(error)}
    try:
        args = list(error.args)
        if not any(isinstance(each, (str, bytes, bytearray)) and len(each) > ARGS_MAX for each in args):
            text = to_json(args)
            if len(text) <= ARGS_MAX and "\\ud" not in text or is_unicode(scan(text, 0)[0]):
                told["args"] = scan(text, 0)[0]
    except BaseException:
        pass  # they are left out
    text = traceback_of(error) if tracebacks else None
    if text:
        told["traceback"] = text
    return told


def is_unicode(value):
    """Whether no text in this JSON value holds a lone surrogate."""
    spoken = _json.make_encoder(None, None, _json.encode_basestring, None, ":", ",", False, False, False)
    try:
        return bool("".join(spoken(value, 0)).encode())
    except UnicodeEncodeError:
        return False


# ---- tracebacks

CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
GROUP = __builtins__.get("BaseExceptionGroup", ())
loop_files = set()  # of asyncio: what carries a coroutine's exception out of the loop


def traceback_of(error):
    """The traceback in Python's form, with the functions' own frames alone; None if there is no saying it."""
    try:
        parts, seen = [], []
        while error is not None and len(seen) < 10 and all(error is not each for each in seen):
            seen.append(error)
            parts.insert(0, one_traceback(error))
            if error.__cause__ is not None:
                error, link = error.__cause__, CAUSE
            elif not error.__suppress_context__:
                error, link = error.__context__, CONTEXT
            else:
                error = None
            if error is not None:
                parts.insert(0, link)
        raw = "".join(parts).encode("utf-8", "replace")
        if len(raw) > TRACEBACK_MAX:
            raw = b"(cut)\n" + raw[len(raw) - TRACEBACK_MAX + 6:]  # the end says most
        return raw.decode("utf-8", "ignore")
    except BaseException:
        return None


def one_traceback(error):
    frames, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not is_foreign(code.co_filename):
            frames.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    lines = ["Traceback (most recent call last):\n"] if frames else []
    for at, (path, number, name) in enumerate(frames):
        if at == 15 and len(frames) > 40:
            lines.append("  (%d frames are left out)\n" % (len(frames) - 40))
        if at < 15 or at >= len(frames) - 25:
            lines.append('  File "%s", line %s, in %s\n%s' % (path, number, name, source_line(path, number)))
    if isinstance(error, SyntaxError) and error.filename:
        lines.append('  File "%s", line %s\n%s' % (error.filename, error.lineno,
                                                   source_line(error.filename, error.lineno)))
    lines.append(cut(line_of(error), 2048) + "\n")
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        lines += [cut(str(note), 1024) + "\n" for note in notes[:20]]
    if isinstance(error, GROUP):
        for member in error.exceptions[:10]:
            lines += ["  | " + line for line in one_traceback(member).splitlines(True)]
    return "".join(lines)


def is_foreign(path):
    """Whether code of this file is the machinery's, not the user's."""
    return path in ("<forkpool>", "<forkpool.objects>") or path.startswith("<frozen importlib") or path in loop_files


def source_line(path, number):
    """That line of the file as a traceback shows it, or nothing. (linecache imports re and tokenize.)"""
    try:
        with open(path, "rb") as file:
            for at, line in enumerate(file, 1):
                if at == number:
                    return "    " + line.decode("utf-8", "replace").strip()[:200] + "\n"
    except (OSError, ValueError):
        pass
    return ""


# ---- arguments that do not fit

def misfit(error, function, word, args, kwargs, layout):
    """The steps to what does not fit in the arguments, or in the item, and the words for it (or None); no steps if the
    exception is the function's own."""
    if isinstance(error, Violation):
        steps = error.steps[AS_ITEM.get(word, 0):]
        return steps, message_of(error)
    if word in (CALL_TYPED, MAP_TYPED, MAP_TYPED_ITEMS):
        return violation_by_name(error, function, layout, *laid_out(layout, args))
    if word in (STARMAP, STARMAP_ITEMS):
        if not hasattr(type(args), "__iter__"):
            return None, None  # it can't be spread
        args = list(args)
    elif word in (MAP, MAP_ITEMS):
        args = [args]
    steps = violation_of(error, function, args, kwargs or {})
    return [] if steps and word in (MAP, STARMAP) else steps, None


AS_ITEM = {MAP: 2, MAP_ITEMS: 2, STARMAP: 1, STARMAP_ITEMS: 1}  # steps of an argument that aren't the item's


def violated(error, tracebacks):
    """An argument of an initializer that can't be made."""
    return {"type": "InvalidArguments", "message": path_of(error.steps) + ": " + message_of(error)}


def violation_of(error, function, args, kwargs):
    """The steps to the argument that does not fit; None if the exception is the function's own.

    The call itself fails in the frame that makes it, which is ours: then no line of the function has run.
    """
    trace = error.__traceback__
    if not isinstance(error, TypeError) or trace is None:
        return None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != "<forkpool>":
            return None
        trace = trace.tb_next
    skip = 0
    if type(function) is METHOD:
        function, skip = function.__func__, 1
    if type(function) is not FUNCTION:
        return ["args"] if not fits(error, function, args, kwargs) else None
    code = function.__code__
    count = code.co_argcount
    named = code.co_varnames[code.co_posonlyargcount:count + code.co_kwonlyargcount]
    taken = code.co_varnames[skip:count][:len(args)]
    if len(args) > count - skip and not code.co_flags & 4:
        return ["args", count - skip]
    for name in kwargs:
        if name in taken and name in named or name not in named and not code.co_flags & 8:
            return ["kwargs", name]
    return ["args"]


def laid_out(layout, members):
    """The arguments by position and those by keyword, of all by name."""
    if type(members) is not dict:
        raise Violation([], "it must be an object: the arguments by name")
    names, rest = layout
    args, kwargs = [], dict(members)
    for name in names:
        if name not in kwargs:
            break
        args.append(kwargs.pop(name))
    if rest in kwargs:
        more = kwargs.pop(rest)
        if type(more) is not list:
            raise Violation([rest], "it must be an array: its items are arguments")
        if more and len(args) < len(names):
            raise Violation([names[len(args)]], "the argument is missing, and the items of %s go behind it" % rest)
        args += more
    return args, kwargs


def taking_names(call, types, layout):
    """A function as typed calls call it: with the object of its arguments, which are read as its annotations say."""
    read = None if types is None else types.read

    def named_call(members):
        args, kwargs = laid_out(layout, members)
        if read is not None:
            args, kwargs = read(args, kwargs)
        return call(*args, **kwargs)
    return named_call


def named_steps(steps, layout):
    """Steps in the arguments of a call as those in the arguments by name."""
    names, rest = layout
    if steps[0] == "kwargs" or len(steps) == 1:
        return steps[1:]
    at = steps[1]
    return [names[at]] if at < len(names) else ["args", at] if rest is None else [rest, at - len(names)]


def violation_by_name(error, function, layout, args, kwargs):
    """The steps to the argument of a typed call that is missing or unknown, and the words for it."""
    steps = violation_of(error, function, args, kwargs)
    if steps is None and not failed_in_wrapper(error, function):
        return None, None
    try:
        inner, skip = (function.__func__, 1) if type(function) is METHOD else (function, 0)
        plain = steps is not None and type(inner) is FUNCTION  # as it is called, whatever it says of itself
        described = described_by_code(inner, skip) if plain else describe(function)
        given = set(described.named((POSITIONAL, EITHER))[:len(args)])
        by_name = described.named((EITHER, KEYWORD))
        for name in kwargs:
            if name not in by_name and described.of_kind(MORE)[0] is None:
                return [name], "there is no argument of this name; there are: %s" % (
                    ", ".join(list(by_name)[:20]) or "none")
        for name, kind, _, default in described.parameters:
            if kind not in (REST, MORE) and default is EMPTY and name not in given and name not in kwargs:
                return [name], "the argument is missing"
    except Exception:
        pass
    return steps and named_steps(steps, layout), None


def failed_in_wrapper(error, function):
    """Whether a decorator's call of the function beneath it failed, before a line of that function ran."""
    trace, codes = error.__traceback__, []
    for _ in range(20):
        if not hasattr(function, "__wrapped__"):
            break
        codes.append(getattr(function, "__code__", None))
        function = function.__wrapped__
    if not isinstance(error, TypeError) or trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code in codes


def fits(error, function, args, kwargs):
    """Whether a function that is not written in Python takes these arguments, as far as it says."""
    try:
        import inspect
        signature = inspect.signature(function)
    except BaseException:
        # It says nothing: these are the words of CPython's argument parsers.
        words = ("argument (", "arguments (", "takes no ", "missing required", "unexpected keyword",
                 "positional argument", " expected at ", "invalid keyword")
        message = message_of(error)
        return not any(each in message for each in words)
    try:
        signature.bind(*args, **kwargs)
        return True
    except TypeError:
        return False


def unreadable(error, word, payload):
    """The index (or None) and the words for a payload that the reader refused."""
    message, steps = message_of(error), []
    if isinstance(error, StopIteration):
        message = "the arguments are not JSON"
    elif isinstance(error, RecursionError):
        message = "the arguments are nested too deeply"
    is_bad = is_bad_bytes
    if isinstance(error, UnknownReference):
        wrong = error.args[0]
        message = "there is no object %s" % wrong if isinstance(wrong, str) else "a reference is a text"
        if message.startswith("there is no object /v1/pipes/") and wrong.count("/") == 3:
            message += "; a pipe is given by one of its ends: %s/0 or %s/1" % (wrong, wrong)
        is_bad = {"$forkpool": wrong}.__eq__
    try:
        steps = steps_to(scan(payload.decode().replace(BETWEEN_LISTS, ","), 0)[0], is_bad) or []
    except BaseException:
        pass
    index = steps.pop(0) if word in (MAP, STARMAP, MAP_TYPED) and steps else None
    if word == CALL and steps:
        steps.insert(0, "args")
    elif word == CALL_KEYWORDS and steps:
        steps[0] = ("args", "kwargs")[steps[0]]
    return index, {"message": message, "path": path_of(steps)}


# ---- bytes in arguments

def bytes_hook(members):
    if len(members) == 1 and "$bytes" in members:
        return to_bytes(members["$bytes"])
    return members


def to_bytes(text):
    import binascii
    try:
        raw = text.encode("ascii")
        value = binascii.a2b_base64(raw)
        if binascii.b2a_base64(value, newline=False) == raw:
            return value
    except (AttributeError, ValueError):
        pass
    raise ValueError("$bytes is not base64 (RFC 4648, section 4, padded)")


def is_bad_bytes(value):
    """Whether this is a `$bytes` object that is not base64."""
    try:
        if len(value) == 1 and "$bytes" in value:
            to_bytes(value["$bytes"])
        return False
    except ValueError:
        return True


def steps_to(value, is_bad):
    """The steps to the first object that is so, or None."""
    if isinstance(value, dict) and is_bad(value) is True:
        return []
    members = enumerate(value) if isinstance(value, list) else ()
    for step, member in value.items() if isinstance(value, dict) else members:
        steps = steps_to(member, is_bad)
        if steps is not None:
            return [step] + steps
    return None


# ---- arrays

def listed(value, kind, tolist):
    """What `tolist` makes of an array or a scalar; of numpy's moments ISO texts, whatever their unit."""
    dtype = getattr(value, "dtype", None)
    form = getattr(dtype, "kind", None)
    if form == "V" and dtype.names:
        if value.shape:
            return [listed(each, type(each), tolist) for each in value]
        return [listed(each, type(each), type(each).tolist) if hasattr(each, "tolist") else each
                for each in map(value.__getitem__, dtype.names)]
    if form in ("M", "m") and type(dtype).__module__.partition(".")[0] == "numpy":
        value = moments(value, form)
        kind = type(value)
        tolist = getattr(kind, "tolist", None)
        if tolist is None:
            return value
    made = tolist(value)
    if type(made) is kind:
        raise TypeError("a value of type %s cannot be said in JSON" % kind.__name__)
    return made


def moments(value, form):
    """datetime64 in any unit as ISO texts, timedelta64 as timedelta; NaT is null."""
    numpy = sys.modules["numpy"]
    value = numpy.asarray(value)
    unit = numpy.datetime_data(value.dtype)[0]
    coarse = value.astype(form + "8[us]") if unit in ("ns", "ps", "fs", "as") else value
    is_exact = bool(numpy.all((coarse == value) | numpy.isnat(value)))
    listed = coarse.astype(object)
    if form == "M" and not (is_exact and all(type(each) is not int for each in listed.ravel().tolist())):
        # Finer than Python's own, or beyond its years.
        listed = numpy.where(numpy.isnat(value), None, numpy.datetime_as_string(value).astype(object))
    return numpy.asarray(listed, object).tolist()


# ---- the place of what cannot be said in JSON

def path_of(steps):
    text = "$"
    for step in steps:
        if isinstance(step, int):
            text += "[%d]" % step
        elif step.isidentifier():
            text += "." + step
        else:
            text += "[" + quote(step[:PATH_MAX]) + "]"
        if len(text) > PATH_MAX:
            break
    return text


def offender(root, error):
    """The steps to the first value that the encoder refused with `error`, and what is wrong with it."""
    too_deep = isinstance(error, RecursionError)
    steps, levels, inside = [], [iter([(None, root)])], []
    try:
        while levels:
            for step, value in levels[-1]:
                steps.append(step)
                members, why = look_at(value, inside)
                if why is None and members is not None and too_deep and len(levels) > 200:
                    why = "the value is nested too deeply"
                if why is not None:
                    return steps[1:], why
                if members is not None:
                    levels.append(members)
                    break
                steps.pop()
            else:
                levels.pop()
                if steps:
                    steps.pop()
                if inside:
                    inside.pop()
    except BaseException as second:
        return steps[1:], line_of(second)
    return [], line_of(error)


def look_at(value, inside):
    """What there is to look at inside this value (None: nothing), and what is wrong with it, if anything."""
    within = []
    while True:
        if value is None or isinstance(value, (str, bool)):
            return None, None
        if isinstance(value, int):
            int.__repr__(value)  # beyond Python's limit of digits this raises
            return None, None
        if isinstance(value, float):
            finite = value - value == 0
            return None, None if finite else "%s cannot be said in JSON" % float.__repr__(value)
        if any(value is each for each in inside) or any(value is each for each in within):
            return None, "the value contains itself"
        within.append(value)
        if isinstance(value, (list, tuple)):
            inside.append(value)
            return enumerate(value), None
        if isinstance(value, dict):
            inside.append(value)
            return named_members(value), None
        try:
            value = plain(value)
        except BaseException as error:
            refused = isinstance(error, TypeError) and error.__traceback__.tb_next.tb_next is None
            return None, message_of(error) if refused else line_of(error)
        if len(within) > 100:
            return None, "the value is nested too deeply"


def named_members(value):
    """The members of a dict with their names as JSON has them."""
    for key, member in value.items():
        if isinstance(key, str):
            name = key
        elif key is None or isinstance(key, (bool, int, float)):
            name = to_json(key)
        else:
            raise TypeError("a key of type %s cannot be said in JSON" % type(key).__name__)
        yield name, member


# ---- what yields

class Oversized(Exception):
    """What was yielded is larger than a value may be."""


class Unsayable(Exception):
    """What was yielded has no JSON: the path to it, itself, and the encoder's exception."""


raised_within = None  # by an iterator: what its function raises once it runs is no misfit of the arguments


def each_of(values):
    """What an iterator gives. (The iterator is closed by whoever has it.)"""
    global raised_within
    try:
        for value in values:
            yield value
    except GeneratorExit:
        raise
    except BaseException as error:
        raised_within = error
        raise


def gathered(values, most):
    """The JSON of the list of all that an iterator gives, of so many bytes at most."""
    said, size = [], 1
    try:
        for value in each_of(values):
            try:
                text = to_json(value)
            except Exception as error:
                raise Unsayable([len(said)], value, error) from None
            said.append(text)
            size += len(text) + 1
            if size > most:
                raise Oversized
    finally:
        close_iterator(values)
    return Json("[" + ",".join(said) + "]")


YIELD_WINDOW, YIELD_RECORD = 262144, 64  # bytes that may be ahead of the reader; what a record counts besides its own
ioctl, FIONREAD = _ctypes.dlsym(process, "ioctl"), 0x541B


def told_each(values, sequence, most):
    """Tells what a call yields, one by one, as fast as its reader takes it. What is no iterator is the only thing."""
    yields = hasattr(type(values), "__next__")
    ahead = index = 0
    word, waiting = bytearray(24), Word()
    into, asked = [word], (3, FIONREAD, _ctypes.byref(waiting))
    try:
        for value in each_of(values) if yields else (values,):
            try:
                text = to_json(value).encode()
            except Exception as error:
                raise Unsayable([index] if yields else [], value, error) from None
            if len(text) > most:
                raise Oversized
            if not own[0]:
                leave_copy(None)
            flush_streams()
            answer(PART, sequence, b'[{"value":%b}]' % text)
            ahead += len(text) + len('{"value":}') + YIELD_RECORD
            index += 1
            value = text = None
            while ahead > YIELD_WINDOW or _ctypes.call_function(ioctl, asked) == 0 and waiting.value:
                if readv(3, into) != 24:
                    _exit(0)
                told, taken, number, _ = unpack(word)
                if told != TAKEN and told != STOP:
                    give_up("%#x in the middle of a task" % told)
                if number == sequence:  # else it was for the task before
                    if told == STOP:
                        return Json("null")
                    ahead -= taken
    finally:
        if yields:
            close_iterator(values)
    return Json("null")


def listing(call, most):
    """A function that yields, as maps call it: its value is a list, of about so many bytes at most."""
    def listed_call(*args):
        values = call(*args)
        if not hasattr(type(values), "__next__"):
            return values
        listed, size = [], 1
        try:
            for value in each_of(values):
                listed.append(value)
                try:
                    size += len(to_json(value)) + 1
                except Exception:
                    size += 1  # the encoder has the last word
                if size > most:
                    raise Oversized
        finally:
            close_iterator(values)
        return listed
    return listed_call


def close_iterator(values):
    close_it = getattr(values, "close", None)
    if close_it is not None:
        close_it()


# ---- what a function can ask of its task, and say of it

class Job:
    """The job whose function this is."""

    __slots__ = ("id", "attempt", "function", "tags")

    def __init__(self, *members):
        self.id, self.attempt, self.function, self.tags = members

    def __repr__(self):
        return "<Job %s: %s, attempt %d>" % (self.id, self.function, self.attempt)


def job_of_task():
    if worker_page is None or not worker_page[2]:
        return None
    which = unpack(packet)[1]
    number, attempt, tagged = _struct.unpack_from("<16sII", packet, 24)
    digits = number.hex()
    name = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return Job(name, attempt, list(the_zygote.names)[which], scan(tags.decode(), 0)[0] if tagged else [])


PROGRESS_MESSAGE_MAX = 1024
put_progress = _struct.Struct("QQddQ").pack_into  # words 17 to 21 of the page
saying_progress = _thread.RLock()  # a signal's handler may speak, too


def say_progress(done, total, message):
    done, total = amount("done", done), amount("total", total)
    raw = b""
    if message is not None:
        if not isinstance(message, str):
            raise TypeError("forkpool.progress: message must be a str or None, not %s" % type(message).__name__)
        raw = message[:PROGRESS_MESSAGE_MAX].encode("utf-8", "replace")
        if len(raw) > PROGRESS_MESSAGE_MAX:
            raw = raw[:PROGRESS_MESSAGE_MAX].decode("utf-8", "ignore").encode()
    page = worker_page
    if page is None or not page[2] or not own[0]:
        return
    with saying_progress:
        version = page[16] | 1
        page[16] = version
        put_progress(page, 136, page[2], now(), done, total, 0 if message is None else len(raw) + 1)
        _struct.pack_into("%ds" % len(raw), page, 176, raw)
        page[16] = version + 1


def amount(name, value):
    try:
        if isinstance(value, (bool, str, bytes, bytearray)):
            raise TypeError
        number = float(value)
    except TypeError:
        raise TypeError("forkpool.progress: %s must be a number, not %s" % (name, type(value).__name__)) from None
    except (ValueError, OverflowError):
        number = -1.0
    if not 0.0 <= number < float("inf"):
        raise ValueError("forkpool.progress: %s must be finite and not negative, not %s" % (name, cut(repr(value), 100)))
    return number


# ---- async def

loops = {}  # by process: the event loop that the last task left as it was made


def awaiting_calls(functions, flags):
    """The functions as they are called: a coroutine is awaited, an asynchronous generator a generator. (In the zygote:
    asyncio costs 50 ms.)
    """
    import asyncio
    from asyncio import base_events, futures
    loop_files.update((base_events.__file__, futures.__file__))

    def take_loop():
        # Never made the current one: code that is not `async` has loops of its own.
        loop = loops.pop(getpid(), None) or asyncio.new_event_loop()
        asyncio._set_running_loop(None)  # whatever a task before has set
        return loop

    def leave_loop(loop):
        """The next task finds none that this one changed."""
        if not loop.is_closed():
            left = asyncio.all_tasks(loop)
            if left:  # as asyncio.run: what the function left running is cancelled
                for task in left:
                    task.cancel()
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            if is_untouched(loop):
                loops[getpid()] = loop
            else:
                close_loop(loop)

    def run(awaitable):
        loop = take_loop()
        try:
            return loop.run_until_complete(awaitable)
        finally:
            leave_loop(loop)

    def steps(source):
        """What an asynchronous generator yields. All of it runs in one task, whose loop stands still in between."""
        loop = take_loop()
        given, turn = [None], [None]

        async def pump():
            try:
                async for value in source:
                    turn[0] = loop.create_future()
                    given[0].set_result(value)
                    await turn[0]
            finally:
                if hasattr(source, "aclose"):
                    await source.aclose()
        try:
            pumping = loop.create_task(pump())
            while True:
                given[0] = loop.create_future()
                if turn[0] is not None:
                    turn[0].set_result(None)
                loop.run_until_complete(asyncio.wait((pumping, given[0]), return_when=asyncio.FIRST_COMPLETED))
                if not given[0].done():
                    pumping.result()  # which raises what the generator did
                    return
                yield given[0].result()
        finally:
            source = None
            leave_loop(loop)

    def awaiting(function):
        def call(*args, **kwargs):
            value = function(*args, **kwargs)
            return run(value) if hasattr(type(value), "__await__") else value
        return call

    def stepping(function):
        def call(*args, **kwargs):
            value = function(*args, **kwargs)
            return steps(value) if hasattr(type(value), "__anext__") else value
        return call

    return [awaiting(function) if flag & 128 else stepping(function) if flag & 512 else function
            for function, flag in zip(functions, flags)]


def is_untouched(loop):
    """Whether a loop of asyncio's own is as it was made; of others that cannot be known."""
    try:
        return not (loop._ready or loop._scheduled or loop._default_executor or loop._exception_handler or
                    loop._debug or loop._task_factory or loop._signal_handlers or loop._asyncgens or
                    loop._executor_shutdown_called or loop._stopping or loop._asyncgens_shutdown_called or len(loop._selector.get_map()) != 1 or
                    type(loop).__module__ != "asyncio.unix_events")
    except Exception:
        return False


def close_loop(loop):
    """As asyncio.run at its end. Threads of its executor that go on are this worker's, and end with it."""
    try:
        loop.run_until_complete(loop.shutdown_asyncgens())
        executor, loop._default_executor = getattr(loop, "_default_executor", None), None
        if executor is not None:
            executor.shutdown(wait=False)
            for thread in list(getattr(executor, "_threads", ())):
                thread.join(0.05)
    except Exception:
        pass
    finally:
        loop.close()


# ---- a Process: one call, and then its end (PROTOCOL.md, section 2)

def run_process(name, functions, page, tracebacks):
    """Read the one call, run it, leave with the exit code that the library would give."""
    begun = os.read(3, 4096)
    if not begun:
        _exit(0)
    word, which, _, length = unpack(begun)
    payload = begun[48:]
    if length != len(begun) - 24:
        packet[:len(begun)] = begun
        payload = read_rest(len(begun), length, 0)
    kwargs = {}
    try:
        text = payload.decode()
        args, _ = (scan if "$" not in text else scan_marked)(text, 0)
        if word == CALL_KEYWORDS:
            args, kwargs = args
        call, types = calls_as_json[which], function_types[which]
        if types is not None and types.is_reviving:
            args, kwargs = types.revive(args, kwargs)
    except BaseException as error:
        kind, told = explain(READING, error, functions[which], word, None, None, payload, tracebacks)
        answer(kind, 0, told)
        _exit(1)
    page[1] = 2
    name_current_process(name, ())
    payload = text = begun = None
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    answer(READY, 0, b"")
    # What the call does with these numbers is no protocol any more.
    dup2(0, 3, inheritable=False)
    dup2(0, 4, inheritable=False)
    code = 1
    try:
        try:
            call(*args, **kwargs)
            code = 0
        finally:
            end_children()
    except SystemExit as error:
        code = exit_code_of(error)
    except BaseException as error:
        say_last("Process %s:\n%s" % (name, tracebacks and traceback_of(error) or line_of(error) + "\n"))
    finally:
        try:
            threading = sys.modules.get("threading")
            if threading is not None:
                threading._shutdown()  # as the library: threads that are no daemons end first
        finally:
            flush_streams()
            _exit(code)


def end_children():
    """What the library does for the processes that this one started with it: daemons end, others are joined."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._exit_function()


def exit_code_of(error):
    """sys.exit(None) is 0, sys.exit(3) is 3, sys.exit("words") says them and is 1."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 255
    say_last(str(code) + "\n")
    return 1


def say_last(text):
    """To descriptor 2, whatever the call did to sys.stderr; after what it printed."""
    flush_streams()
    rest = text.encode("utf-8", "replace")
    while rest:
        rest = rest[write(2, rest):]
