# forkpool's Python side, part 2, second half: what a task leaves in its worker is put back before the next one.
#
# The whole look costs 40 us, cold caches twice that, a small task less. So it is taken only where something can have
# changed: after a function's first tasks here; when 50 ms have passed; where the worker idles; and once a function was
# called that changes such state. Those of Python are replaced by objects that note the call (`Watched`). Modules'
# globals stay, as in the library.
import _thread

try:
    import faulthandler  # built in: its timer's function must be replaced before anybody takes it
except ImportError:
    faulthandler = None
try:
    import _locale
except ImportError:
    _locale = None

LOOK_EVERY = 50000000  # nanoseconds
FIRST_LOOKS = 2  # a function that left nothing so often is trusted until the next look
audit_at = 0  # when the next look is due; 0: something was changed
count_threads = _thread._count  # Python's; those of C libraries are like modules' globals
threads_kept = 0  # so many are no reason to leave
kept = None  # see Kept
looks, trusted, untidy = {}, set(), set()  # functions by index
environment_keys = set()  # that were changed past os.environ
replaced = []  # streams that were put in place of ours: one that ended would close what it wrote to
REPLACED_MAX = 100


class Watched:
    """A function whose call makes a look due. (Not a function itself: as an attribute of a class that would bind.)"""

    def __init__(self, function):
        self.__wrapped__ = function
        self.used = False
        for name in ("__name__", "__qualname__", "__doc__", "__module__", "__text_signature__"):
            setattr(self, name, getattr(function, name, None))

    def __call__(self, *args, **kwargs):
        global audit_at
        audit_at = 0
        self.used = True
        return self.__wrapped__(*args, **kwargs)

    def __reduce__(self):
        return self.__name__

    def __eq__(self, other):  # os.supports_fd and the like hold the functions themselves
        return other is self or other is self.__wrapped__

    def __hash__(self):
        return hash(self.__wrapped__)

    def __repr__(self):
        return repr(self.__wrapped__)


class WatchedDescriptor(Watched):
    """Of these only calls for descriptors 0 to 2 matter."""

    def __call__(self, *args, **kwargs):
        global audit_at
        if kwargs or args[-1:] and args[-1] in (0, 1, 2) or len(args) > 2:
            audit_at = 0
        return self.__wrapped__(*args, **kwargs)


class WatchedEnvironment(Watched):
    def __call__(self, *args, **kwargs):
        global audit_at
        audit_at = 0
        value = self.__wrapped__(*args, **kwargs)
        environment_keys.add(os.fsencode(args[0]))
        return value


def watch():
    """Before the user's modules load: later they hold what they took."""
    import posix
    of_signals = "setitimer alarm signal pthread_sigmask set_wakeup_fd"
    of_process = ("chdir fchdir umask closerange nice setpriority sched_setaffinity sched_setscheduler "
                  "sched_setparam set_blocking setgroups initgroups "
                  "setuid seteuid setreuid setresuid setgid setegid setregid setresgid")
    for modules, names, kind in (((_signal,), of_signals, Watched), ((os, posix), of_process, Watched),
                                 ((os, posix), "close dup2", WatchedDescriptor),
                                 ((os, posix), "putenv unsetenv", WatchedEnvironment),
                                 ((gc,), "disable enable set_threshold", Watched),
                                 ((sys,), "setrecursionlimit setswitchinterval settrace setprofile", Watched),
                                 ((_locale,), "setlocale", Watched), ((_thread,), "stack_size", Watched),
                                 ((faulthandler,), "dump_traceback_later", Watched)):
        for name in names.split():
            function = getattr(modules[0], name, None)
            if function is not None:
                watched = kind(function)
                for module in modules:
                    setattr(module, name, watched)


def raw(function):
    return getattr(function, "__wrapped__", function)


getitimer, setitimer, getsignal, set_signal = _signal.getitimer, _signal.setitimer, _signal.getsignal, _signal.signal
sigmask, sigpending, set_wakeup_fd = _signal.pthread_sigmask, _signal.sigpending, _signal.set_wakeup_fd
getcwd, chdir, umask, putenv, unsetenv = os.getcwd, os.chdir, os.umask, os.putenv, os.unsetenv
fstat, get_blocking, set_blocking = os.fstat, os.get_blocking, os.set_blocking
open_file, read_file = os.open, os.read
environment = os.environ
SIGNALS = sorted(_signal.valid_signals() - {_signal.SIGKILL, _signal.SIGSTOP})


def file_of(descriptor):
    """What this descriptor is, or None."""
    try:
        found = fstat(descriptor)
        return found.st_dev, found.st_ino
    except OSError:
        return None


def folder():
    try:
        return getcwd()
    except OSError:
        return None


def settings():
    """What is compared whole and put back one by one: (what it is, how it is set)."""
    said = [(sys.getrecursionlimit(), raw(sys.setrecursionlimit)),
            (sys.getswitchinterval(), raw(sys.setswitchinterval)),
            (gc.isenabled(), switch_gc), (gc.get_threshold(), set_gc_threshold),
            (sys.gettrace(), raw(sys.settrace)), (sys.getprofile(), raw(sys.setprofile)),
            (os.getpriority(os.PRIO_PROCESS, 0), set_priority), (os.sched_getaffinity(0), set_affinity),
            ((os.sched_getscheduler(0), os.sched_getparam(0).sched_priority), set_scheduler),
            (gc.get_debug(), gc.set_debug), (raw(_thread.stack_size)(), raw(_thread.stack_size)),
            (tuple(sys.get_asyncgen_hooks()), set_asyncgen_hooks), (tuple(gc.callbacks), set_gc_callbacks),
            (sys.get_coroutine_origin_tracking_depth(), sys.set_coroutine_origin_tracking_depth),
            (os.getresuid() + os.getresgid() + (tuple(os.getgroups()),), None)]
    if hasattr(sys, "get_int_max_str_digits"):
        said.append((sys.get_int_max_str_digits(), sys.set_int_max_str_digits))
    return said


def switch_gc(on):
    raw(gc.enable if on else gc.disable)()


def set_gc_threshold(thresholds):
    raw(gc.set_threshold)(*thresholds)


def set_gc_callbacks(callbacks):
    gc.callbacks[:] = callbacks


def set_asyncgen_hooks(hooks):
    sys.set_asyncgen_hooks(*hooks)


def set_priority(priority):
    raw(os.setpriority)(os.PRIO_PROCESS, 0, priority)


def set_scheduler(was):
    policy, priority = was
    raw(os.sched_setscheduler)(0, policy, os.sched_param(priority))


def set_affinity(processors):
    raw(os.sched_setaffinity)(0, processors)


def limits():
    """The resource limits, if anybody can have changed them."""
    resource = sys.modules.get("resource")
    if resource is None:
        return None
    return {each: resource.getrlimit(each) for each in range(resource.RLIM_NLIMITS if hasattr(
        resource, "RLIM_NLIMITS") else 16)}


def decimal_context():
    """The decimal module's context."""
    decimal = sys.modules.get("_decimal") or sys.modules.get("_pydecimal")
    return None if decimal is None else decimal.getcontext()


def rules_of(context):
    """All of it but the flags, which any division sets."""
    return (context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp,
            [trap for trap, on in context.traps.items() if on])


def locale_now():
    return None if _locale is None else raw(_locale.setlocale)(_locale.LC_ALL, None)


def timers_of_c():
    """What timer_create(2) has made, which from Python only ctypes and cffi can."""
    if "ctypes" not in sys.modules and "_cffi_backend" not in sys.modules:
        return b""
    try:
        file = open_file("/proc/self/timers", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return read_file(file, 4096)
        finally:
            close(file)
    except OSError:
        return None  # a kernel that doesn't tell


class Kept:
    """How the worker was after its initializer."""

    def __init__(self):
        self.timers = [each for each in (0, 1, 2) if getitimer(each) == (0.0, 0.0)]  # others are the initializer's
        self.timers_of_c = timers_of_c()
        self.mask = sigmask(_signal.SIG_BLOCK, ())
        self.handlers = [getsignal(each) for each in SIGNALS]
        self.wakeup = set_wakeup_fd(-1)
        set_wakeup_fd(self.wakeup)
        self.folder = folder()
        self.umask = umask(0o77)
        umask(self.umask)
        self.environment = dict(environment._data)
        self.files = [file_of(each) for each in (0, 1, 2)]
        self.streams = sys.stdin, sys.stdout, sys.stderr
        self.of_streams = [of_stream(each) for each in self.streams[1:]]
        self.settings = settings()
        self.limits = limits()
        context = decimal_context()
        self.numbers = None if context is None else context.copy()
        self.locale = locale_now()
        self.policy, _, self.loop = current_loop()


def keep(keeps_threads):
    """The worker is ready: from now on it is put back to what it is."""
    global kept, threads_kept
    kept = Kept()
    threads_kept = 1 << 30 if keeps_threads else count_threads()
    environment_keys.clear()
    if faulthandler is not None:
        faulthandler.dump_traceback_later.used = False


def put_back():
    """Put back what has changed: (whether anything had, whether some of it stays)."""
    changed = stays = False
    for timer in kept.timers:
        if getitimer(timer) != (0.0, 0.0):
            setitimer(timer, 0)
            changed = True
    if faulthandler is not None and faulthandler.dump_traceback_later.used:
        faulthandler.dump_traceback_later.used = False
        faulthandler.cancel_dump_traceback_later()
        changed = True
    if kept.timers_of_c is not None and timers_of_c() != kept.timers_of_c:
        changed = stays = True
    mask = sigmask(_signal.SIG_BLOCK, ())
    if mask != kept.mask:
        for each in sigpending():
            set_signal(each, _signal.SIG_IGN)  # which drops it; the handlers come next
        sigmask(_signal.SIG_SETMASK, kept.mask)
        changed = True
    for number, was in zip(SIGNALS, kept.handlers):
        handler = getsignal(number)
        if handler is not was and not (isinstance(was, int) and isinstance(handler, int) and handler == was):
            changed = True
            if was is None:
                stays = True  # C code's
            else:
                set_signal(number, was)
    if set_wakeup_fd(kept.wakeup) != kept.wakeup:
        changed = True
    if umask(kept.umask) != kept.umask:
        changed = True
    if folder() != kept.folder:
        changed = True
        try:
            chdir(kept.folder)
        except (OSError, TypeError):
            stays = True
    if os.environ is not environment or environment._data != kept.environment or environment_keys:
        put_back_environment()
        changed = True
    for part in (put_back_streams, put_back_settings, put_back_current_loop):
        differed, remains = part()
        changed |= differed
        stays |= remains
    return changed, stays


def put_back_environment():
    os.environ = environment
    data, saved = environment._data, kept.environment
    keys = {*data, *saved, *environment_keys}
    environment_keys.clear()
    for key in keys:
        if key in saved:
            putenv(key, saved[key])
        else:
            try:
                unsetenv(key)
            except OSError:
                pass  # a name that cannot be one
    data.clear()
    data.update(saved)
    if b"TZ" in keys:
        import time
        time.tzset()


def put_back_streams():
    changed = stays = False
    files = [file_of(each) for each in (0, 1, 2)]
    if files != kept.files:
        changed = True
        if files[0] != kept.files[0]:
            null = os.open("/dev/null", os.O_RDWR)
            if null != 0:
                dup2(null, 0)
                close(null)
        for lost, other in ((1, 2), (2, 1)):
            if files[lost] != kept.files[lost]:
                if files[other] == kept.files[other] == kept.files[lost]:
                    dup2(other, lost)
                else:
                    stays = True
    for each in (1, 2):
        if files[each] is not None and not get_blocking(each):
            set_blocking(each, True)
            changed = True
    stdin, stdout, stderr = kept.streams
    if (sys.stdin is not stdin or getattr(sys, "stdout", None) is not stdout
            or getattr(sys, "stderr", None) is not stderr):
        replaced.extend((getattr(sys, "stdout", None), getattr(sys, "stderr", None)))
        stays = stays or len(replaced) > REPLACED_MAX
        sys.stdin, sys.stdout, sys.stderr = kept.streams
        changed = True
    for name, stream, descriptor in (("stdin", stdin, 0), ("stdout", stdout, 1), ("stderr", stderr, 2)):
        if getattr(stream, "closed", False):
            changed = True
            if stream is not getattr(sys, "__%s__" % name, None):
                stays = True
                continue
            made = open(descriptor, "r", encoding="utf-8", closefd=False) if descriptor == 0 else \
                open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
            if descriptor:
                made.reconfigure(line_buffering=True)
            setattr(sys, name, made)
            setattr(sys, "__%s__" % name, made)
            kept.streams = sys.stdin, sys.stdout, sys.stderr
            kept.of_streams = [of_stream(each) for each in kept.streams[1:]]
    for stream, was in zip(kept.streams[1:], kept.of_streams):
        if of_stream(stream) != was:
            changed = True
            stays |= not put_back_stream(stream, was)
    return changed, stays


def of_stream(stream):
    """How a stream writes, and what was set on it."""
    try:
        return (stream.encoding, stream.errors, stream.line_buffering, stream.write_through), dict(vars(stream))
    except Exception:
        return None  # none of Python's own


def put_back_stream(stream, was):
    try:
        (encoding, errors, by_lines, at_once), own = was
        vars(stream).clear()
        vars(stream).update(own)
        stream.reconfigure(encoding=encoding, errors=errors, line_buffering=by_lines, write_through=at_once)
    except Exception:
        pass
    return of_stream(stream) == was


def put_back_settings():
    changed = stays = False
    for (value, _), (was, put) in zip(settings(), kept.settings):
        if value is not was and value != was:
            changed = True
            try:
                put(was)
            except (OSError, TypeError, ValueError, RecursionError):
                stays = True
    limits_now = limits()
    if limits_now != kept.limits:
        if kept.limits is None:
            # Nobody had loaded the module: what there was is what the zygote's parent still has.
            kept.limits = {each: limits_of_parent(each) for each in limits_now}
        for each, was in kept.limits.items():
            if was is not None and limits_now[each] != was:
                changed = True
                try:
                    sys.modules["resource"].setrlimit(each, was)
                except (OSError, ValueError):
                    stays = True
    context = decimal_context()
    if context is not None:
        if kept.numbers is None:
            kept.numbers = sys.modules["decimal"].DefaultContext.copy() if "decimal" in sys.modules else context.copy()
        if rules_of(context) != rules_of(kept.numbers):
            changed = True
            decimal = sys.modules.get("_decimal") or sys.modules.get("_pydecimal")
            decimal.setcontext(kept.numbers.copy())
        else:
            context.clear_flags()
    if locale_now() != kept.locale:
        changed = True
        raw(_locale.setlocale)(_locale.LC_ALL, kept.locale)
    return changed, stays


def current_loop():
    """asyncio's policy, where that keeps the current event loop, and this."""
    policy = getattr(sys.modules.get("asyncio.events"), "_event_loop_policy", None)
    local = getattr(policy, "_local", None)
    return policy, local, getattr(local, "_loop", None)


let_go = []


def is_asyncios(policy):
    """Whether it is the one that asyncio makes when it is first asked."""
    return type(policy).__module__.partition(".")[0] == "asyncio"


def put_back_current_loop():
    """One that code which is not `async` left: closed, changed, or none where asyncio would make one."""
    if os.closerange.used:
        os.closerange.used = False
        let_go.extend((globals().get("loops") or {}).values())  # never closed: their descriptors may be others' now
        (globals().get("loops") or {}).clear()
    events = sys.modules.get("asyncio.events")
    if events is not None and events._get_running_loop() is not None:
        events._set_running_loop(None)
        return True, put_back_current_loop()[1]
    policy, local, loop = current_loop()
    if policy is not kept.policy and (kept.policy is not None or not is_asyncios(policy)):
        sys.modules["asyncio.events"]._event_loop_policy = kept.policy
        return True, False
    if local is None or loop is kept.loop and (loop is not None or not getattr(local, "_set_called", False)):
        return False, False
    if loop is not None and not loop.is_closed():
        if rarely("is_untouched")(loop):
            return False, False
        # What it holds may be in modules' globals too, which go with this worker: neither is of use alone.
        return True, True
    local._loop = kept.loop
    if hasattr(local, "_set_called"):
        local._set_called = kept.loop is not None
    return True, False


def limits_of_parent(each):
    """The server's limit, which a worker starts with (but for core files, and where it may not be asked)."""
    resource = sys.modules["resource"]
    if each == resource.RLIMIT_CORE:
        return (0, 0)
    try:
        return resource.prlimit(getppid(), each)
    except (OSError, AttributeError):
        return None


# ---- threads

NONE, ENDING, RUNNING, LEFT = range(4)
MOMENTS = {ENDING: 20000000, RUNNING: 5000000}  # nanoseconds in which threads may still end


def threads_left():
    """Whether threads of Python stay behind. One that was joined may still be counted for a moment (ENDING), one that
    was told to end runs on for a moment (RUNNING)."""
    global threads_kept
    count = count_threads()
    if count <= threads_kept:
        if threads_kept < 1 << 30:
            threads_kept = count
        return NONE
    threading = sys.modules.get("threading")
    known = 0
    if threading is not None:
        known = sum(1 for each in list(threading._active.values())
                    if each is not threading._main_thread and not isinstance(each, threading._DummyThread))
    if known > threads_kept:
        return RUNNING
    return ENDING if count_threads() > threads_kept else NONE


def audit(which):
    """Look at what the task left: NONE, or why this worker is to be replaced (ENDING and RUNNING: not for sure)."""
    global audit_at
    changed, stays, threads = False, True, LEFT
    for _ in range(5):
        try:
            audit_at = now() + LOOK_EVERY
            differed, stays = put_back()
            threads = threads_left()
            changed |= differed
            break
        except BaseException:
            changed = True  # what it left raised here: a handler, or another thread
    if changed or threads:
        untidy.add(which)
        trusted.discard(which)
    elif which not in untidy:
        seen = looks[which] = looks.get(which, 0) + 1
        if seen >= FIRST_LOOKS:
            trusted.add(which)
    return LEFT if stays else threads


def is_spoiled(threads):
    """Whether this worker is to be replaced; a last thread that is about to end has a moment for that."""
    until = now() + MOMENTS.get(threads, 0)
    while threads in MOMENTS:
        try:
            if count_threads() <= threads_kept:
                return False
            if now() > until:
                break
            sleep(0.0002)
        except BaseException:
            pass
    return threads != NONE


watch()
