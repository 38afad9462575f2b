

# forkpool's Python side, end of part 4 (rare): what starts threads while it loads cannot be loaded before a fork.
# It is left to the workers: `late` in the load packet, all of it with `"preload":false`.


def running_threads():
    """The names of this process's other threads: Python's own, else the kernel's (C code's), each once."""
    threading = sys.modules.get("threading")
    known = {each.native_id: each.name for each in threading.enumerate()} if threading is not None else {}
    names = {}
    for each in os.listdir("/proc/self/task"):
        if int(each) == getpid():
            continue
        name = known.get(int(each))
        if name is None:
            try:
                with open("/proc/self/task/%s/comm" % each) as file:
                    name = file.read().strip()
            except OSError:
                continue  # it has ended meanwhile
            if name.startswith(("forkpool-zygote", "fp-")):
                name = "unnamed"
        names[cut(name, 64)] = names.get(cut(name, 64), 0) + 1
    return [name if count == 1 else "%s x%d" % (name, count) for name, count in sorted(names.items())[:10]]


def thread_names():
    names = running_threads()
    return " (" + ", ".join(names[:5]) + ")" if names else ""


def refuse_threads(zygote, what):
    zygote.refuse(what, "thread-started", "it starts a thread while it loads" + thread_names() +
                  ": a process with threads cannot be forked safely; start it when it is first needed, or let each "
                  "worker load it (--preload auto, or the pool's preload)", threads=running_threads())


def private_bytes():
    """Memory of this process that is shared with no other."""
    try:
        with open("/proc/self/smaps_rollup") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) * 1024
    except (OSError, ValueError):
        return 0


def announce_from_a_child(zygote):
    """Load what is left to workers in a process that ends with it, which tells the server what there is, and what
    that costs; keep the names."""
    ours, theirs = os.pipe()
    child = fork()
    if child == 0:
        die_with_parent()
        try:
            load_and_measure(zygote)
            flush_streams()
            names = memoryview(to_json(list(zygote.names)).encode())
            while names:
                names = names[write(theirs, names):]
        finally:
            _exit(0)
    close(theirs)
    text = b""
    while True:
        part = os.read(ours, 65536)
        if not part:
            break
        text += part
    close(ours)
    status = waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 3:
        _exit(3)  # it has refused
    if not text:
        how = "signal %d" % os.WTERMSIG(status) if os.WIFSIGNALED(status) else "exit status %d" % os.WEXITSTATUS(status)
        reason = "the process that loads the modules ended by itself: " + how
        zygote.refuse("python", "import-failed", reason)
    zygote.names = dict.fromkeys(scan(text.decode(), 0)[0])


def load_and_measure(zygote):
    importing = zygote.importing

    def measured(what, how, *arguments):
        memory, begun = private_bytes(), now()
        loaded = importing(what, how, *arguments)
        took = (now() - begun) / 1e9
        zygote.send({"op": "late", "what": what, "seconds": took, "bytes": max(0, private_bytes() - memory)})
        return loaded

    zygote.importing = measured
    zygote.in_worker = True
    zygote.load()


def load_in_worker(zygote):
    """What is left to workers, here; what goes wrong is this worker's failure."""
    announced = list(zygote.names)
    zygote.names = dict.fromkeys(announced[:len(zygote.functions)])
    zygote.in_worker = True
    zygote.send = lambda packet, descriptors=(): None
    zygote.refuse = lambda *said, **more: boot_failed(zygote, *said)
    zygote.load()
    zygote.wrap_functions()
    if list(zygote.names) != announced:
        zygote.refuse("python", "import-failed", "the modules offer other functions than when the pool was made")


def boot_failed(zygote, what, reason, message, error=None):
    """As Zygote.refuse, of a worker."""
    told = {"loading": what, "type": "ImportError", "message": cut(message, 8192)}
    if error is not None:
        told.update(raised(error, zygote.asked["tracebacks"]))
        told["message"] = cut(told["message"], 8192)
    flush_streams()
    answer(BOOT_FAILED, 0, to_json(told).encode())
    _exit(0)
