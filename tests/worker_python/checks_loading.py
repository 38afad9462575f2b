"""Loading, refusing, announcing; how a worker starts."""
import os
import signal
import subprocess
import sys

import harness
from harness import FIXTURES, Refused, Zygote
from stage import TASKS, fresh, python, refusal, refusal_of, same, written, zygote


# ---- loading

def test_offers():
    names = zygote().names
    same(names[:4], ["tasks.square", "tasks.echo", "tasks.both", "tasks.only_positional"])
    for name in ("tasks.cached", "tasks.caller", "tasks.again", "tasks.slow_square"):
        assert name in names, name
    for name in ("tasks.dumps", "tasks._hidden", "tasks.NotOffered", "tasks.constant", "tasks.libc"):
        assert name not in names, name
    same(names[-5:], ["time.sleep", "os.getpid", "math.gcd", "json.dumps", "tasks.NotOffered.of_class"])
    same(names.count("tasks.square"), 1)
    same(zygote().loading[:3], ["tasks", "time.sleep", "os.getpid"])


def test_descriptions():
    told = zygote().announced
    same(told["tasks.square"]["doc"], "The square.\n\nof a number\n    in two lines")
    assert "doc" not in told["tasks.echo"]
    same(told["tasks.both"]["signature"], "(a, b: int = 2, *more, c: 'int' = 3, **rest) -> list")
    same(told["tasks.only_positional"]["signature"], "(a, /, b)")
    same(told["os.getpid"]["signature"], "()")
    same(told["math.gcd"].get("signature", "(*integers)"), "(*integers)")
    same(told["tasks.cached"]["signature"], "(x)")
    same(told["tasks.NotOffered.of_class"]["signature"], "(x)")


def test_signatures_as_inspect():
    import inspect
    sys.path.insert(0, FIXTURES)
    import tasks
    for name, packet in zygote().announced.items():
        if name.startswith("tasks.") and name.count(".") == 1 and name != "tasks.caller":
            same(packet["signature"], str(inspect.signature(getattr(tasks, name[6:]))))


def test_import_failures():
    for text, line in (("import nonsense_module\n", "ModuleNotFoundError"), ("1/0\n", "ZeroDivisionError: "),
                       ("import sys\nsys.exit(4)\n", "SystemExit: 4"), ("def f(:\n", "SyntaxError"),
                       ("raise KeyboardInterrupt\n", "KeyboardInterrupt")):
        folder, file = written(text)
        packet = refusal(paths=[folder], files=[file])
        same((packet["what"], packet["reason"]), ("module", "import-failed"))
        assert packet["message"].startswith(line), packet
        assert "module.py" in packet["traceback"] and "forkpool>" not in packet["traceback"], packet
        assert "importlib" not in packet["traceback"], packet
        same("--python names another" in packet.get("advice", ""), line == "ModuleNotFoundError")
        same(own_path() in packet.get("advice", ""), line == "ModuleNotFoundError")
    assert "    1/0\n" in refusal_of("x = 1\n1/0\n")["traceback"]


def own_path():
    return zygote().interpreter["path"]


def test_the_interpreter_is_said_first():
    same(zygote().interpreter["version"], subprocess.check_output(
        [own_path(), "-c", "import sys; print(sys.version.split()[0])"], text=True).strip())


def package(**files):
    """A folder with a package `pack` of these modules."""
    folder, _ = written("")
    os.mkdir(os.path.join(folder, "pack"))
    for name, text in dict(files, __init__=files.get("__init__", "")).items():
        with open(os.path.join(folder, "pack", name + ".py"), "w") as file:
            file.write(text)
    return folder


def test_all_says_what_is_public():
    folder = package(helpers="def joined(): return 'joined'\n", both=(
        "from pack.helpers import joined\n__all__ = ['b', 'joined', '_own', 'K', 'limit', 'gone', 'b']\nlimit = 3\n"
        "def a(): return 'a'\ndef b(): return 'b'\ndef _own(): return 'own'\nclass K: pass\n"))
    made = Zygote(python[0], folder=folder, modules=["pack.both"], say_skipped=True)
    same(made.names, ["pack.both.b", "pack.both.joined", "pack.both._own"])
    child = made.fork()
    same(child.value("pack.both.joined"), "joined")
    child.kill()
    same(made.skipped["pack.both"]["all"], False)
    for part in ("classes: K (", "not in its __all__: a;", "but not there: gone"):
        assert part in made.skipped["pack.both"]["message"], made.skipped
    made.close()


def test_what_is_skipped_is_said_if_asked():
    folder, file = written("from os.path import join\nfrom typing import List, Optional\nimport json\n"
                           "class Importer: pass\ndef f(): pass\ndef _g(): pass\n")
    made = Zygote(python[0], paths=[folder], files=[file])
    same((made.names, made.skipped), (["module.f"], {}))
    made.close()
    made = Zygote(python[0], paths=[folder], files=[file], say_skipped=True)
    same(made.skipped["module"]["message"],
         "classes: Importer (--function offers their class and static methods); defined elsewhere: join")
    made.close()


def test_a_package_without_functions_names_its_modules():
    folder = package(images="", feeds="", _hidden="")
    made = Zygote(python[0], folder=folder, modules=["pack"])
    same((made.names, made.skipped["pack"]["all"]), ([], True))
    assert made.skipped["pack"]["message"].endswith("its modules are pack.feeds, pack.images: name those that are meant")
    made.close()


def test_the_folder_hides_no_standard_module():
    folder = package(tasks="import calendar, os, sys\ndef file(): return calendar.__file__\n"
                           "def path(): return [os.path.dirname(os.__file__), sys.path]\n")
    for name in ("calendar", "csv"):
        with open(os.path.join(folder, name + ".py"), "w") as file:
            file.write("def f(): return 1\n")
    made = Zygote(python[0], folder=folder, modules=["pack.tasks"])
    child = made.fork()
    assert not child.value("pack.tasks.file").startswith(folder)
    library, path = child.value("pack.tasks.path")
    place = path.index(folder)
    assert library in path[:place], path
    assert all(each.endswith("-packages") for each in path[place + 1:]), path
    child.kill()
    made.close()
    packet = refusal(folder=folder, modules=["csv"])
    same((packet["what"], packet["reason"]), ("csv", "shadows-standard-module"))
    assert os.path.join(folder, "csv.py") in packet["message"], packet


def test_methods_need_an_instance():
    folder, _ = written("import functools\nclass K:\n    def plain(self): return 1\n"
                        "    @functools.lru_cache\n    def cached(self): return 1\n"
                        "    @classmethod\n    def of_class(cls): return cls.__name__\n"
                        "    @staticmethod\n    def static(): return 's'\nclass L(K): pass\n", "kinds.py")
    for name in ("K.plain", "K.cached", "L.plain"):
        packet = refusal(folder=folder, functions=["kinds." + name])
        same(packet["reason"], "not-callable")
        assert "an instance of " + name[0] in packet["message"], packet
    made = Zygote(python[0], folder=folder, functions=["kinds.L.of_class", "kinds.K.static", "builtins.str.upper"])
    child = made.fork()
    same([child.value("kinds.L.of_class"), child.value("kinds.K.static"), child.value("builtins.str.upper", "a")],
         ["L", "s", "A"])
    child.kill()
    made.close()


def test_what_is_near_is_said():
    folder = package(images="def thumb(): pass\n", rel="from . import images\n", feeds="import pack.imags\n")
    for asked, words in (
            (dict(functions=["pack.images.thum"]), ["pack.images has no thum; did you mean thumb?"]),
            (dict(functions=["pack.imges.thumb"]), ["pack has no imges; did you mean images?"]),
            (dict(functions=["pak.images.thumb"]), ["there is no module pak", "did you mean pack?", "--python-path"]),
            (dict(modules=["pack.imges"]), ["did you mean images?"]),
            (dict(modules=["pack.feeds"]), ["did you mean images?"])):
        packet = refusal(paths=[folder], **asked)
        for word in words:
            assert word in packet["message"] + packet.get("advice", ""), packet
    file = {"module": "rel", "path": os.path.join(folder, "pack", "rel.py")}
    packet = refusal(paths=[os.path.dirname(file["path"])], files=[file])
    assert packet["advice"].endswith("give its name, pack.rel, with --python-path " + folder), packet
    packet = refusal(folder=folder, modules=["pack.images", "thumb"])  # given as pack.images:thumb
    assert packet["advice"].startswith("pack.images has a function of this name: --function pack.images.thumb\n"), packet
    os.remove(os.path.join(folder, "pack", "__init__.py"))
    packet = refusal(paths=[os.path.dirname(file["path"])], files=[file])
    assert packet["advice"].endswith("give its name, pack.rel, with --python-path " + folder), packet
    with open(os.path.join(folder, "pack", "above.py"), "w") as above:
        above.write("import pack.images\n")
    file = {"module": "above", "path": above.name}
    packet = refusal(paths=[os.path.dirname(above.name)], files=[file], chosen_by="of VIRTUAL_ENV")
    assert "pack is in %s: --python-path %s\n" % (folder, folder) in packet["advice"], packet
    assert ", of VIRTUAL_ENV), in " in packet["advice"], packet


def test_threads_at_import():
    packet = refusal_of("import threading, time\n"
                        "threading.Thread(target=time.sleep, args=(60,), name='Busy', daemon=True).start()\n")
    same((packet["what"], packet["reason"]), ("module", "thread-started"))
    assert "(Busy)" in packet["message"], packet
    folder, file = written("import threading\nt = threading.Thread(target=int)\nt.start()\nt.join()\n")
    Zygote(python[0], paths=[folder], files=[file]).close()  # it has ended: no reason to refuse

def test_late_modules_are_loaded_in_each_worker():
    busy = ("import os, threading, time\nhome = os.getpid()\n"
            "threading.Thread(target=time.sleep, args=(60,), name='Busy', daemon=True).start()\n"
            "def here(): return home == os.getpid()\nasync def late(x): return x\n")
    folder, file = written(busy)
    same(refusal(paths=[folder], files=[file])["threads"], ["Busy"])
    made = Zygote(python[0], paths=[folder], files=[file, TASKS], functions=["module.here", "os.getpid"], late=["module"])
    assert made.names.index("tasks.square") < made.names.index("os.getpid") < made.names.index("module.here"), made.names
    same(list(made.late), ["module"])
    assert made.late["module"]["seconds"] > 0 and made.late["module"]["bytes"] > 0
    for child in made.fork_many(2):
        same(child.value("module.here"), True)
        same(child.value("module.late", 5), 5)
        same(child.value("tasks.square", 3), 9)
        child.kill()
    made.close()


def test_shadowing():
    for name in ("random.py", "os.py", "test_json_like.py"):
        folder, file = written("def f(): pass\n", name)
        if name.startswith("test"):
            Zygote(python[0], paths=[folder], files=[file]).close()
            continue
        packet = refusal(paths=[folder], files=[file])
        same((packet["what"], packet["reason"]), (name[:-3], "shadows-standard-module"))
        assert "another name" in packet["message"], packet


def test_names():
    same(refusal(functions=["os.nothing"])["reason"], "not-found")
    assert "os has no nothing" in refusal(functions=["os.nothing"])["message"]
    same(refusal(functions=["nowhere.f"])["reason"], "not-found")
    same(refusal(functions=["print"])["reason"], "not-found")
    same(refusal(functions=["math.pi"])["reason"], "not-callable")
    folder, _ = written("import nonsense_module\ndef f(): pass\n", "pack.py")
    packet = refusal(paths=[folder], functions=["pack.f"])
    same((packet["what"], packet["reason"]), ("pack.f", "import-failed"))


def test_same_stem_elsewhere():
    first, _ = written("def wrong(): pass\n", "twin.py")
    second, file = written("def right(): pass\n", "twin.py")
    made = Zygote(python[0], paths=[first, second], files=[file])
    same(made.names, ["twin.right"])
    made.close()


def test_modules():
    folder, _ = written("def f(): return 1\n", "mod.py")
    made = Zygote(python[0], paths=[folder], modules=["mod"], functions=["mod.f"])
    same(made.names, ["mod.f"])
    made.close()


def test_old_interpreter():
    import glob
    for python in glob.glob(os.path.expanduser("~/.pyenv/versions/3.[678].*/bin/python3")):
        try:
            Zygote(python).close()
        except Refused as refused:
            packet, code, _ = refused.args
            same((packet["reason"], code), ("unsupported", 3))
            assert "3.9" in packet["message"], packet
            continue
        raise AssertionError(python)


def test_missing_ctypes():
    stub = harness.text_of("stub.py")
    blocked = "import sys;sys.modules['_ctypes']=None\n" + stub
    original = harness.text_of
    harness.text_of = lambda name: blocked if name == "stub.py" else original(name)
    try:
        packet = refusal()
    finally:
        harness.text_of = original
    same(packet["reason"], "unsupported")
    assert "_ctypes" in packet["message"], packet


def test_zygote_ends_with_its_socket():
    made = Zygote(python[0], files=[TASKS])
    child = made.fork()
    same(made.close(), 0)
    same(child.value("tasks.square", 3), 9)  # a worker outlives its zygote
    os.close(child.tasks)
    child.tasks = os.open("/dev/null", os.O_RDONLY)
    same(child.reap(), 0)  # and ends with its task pipe


def test_zygote_ignores_interrupts():
    made = Zygote(python[0], files=[TASKS])
    made.process.send_signal(signal.SIGINT)
    made.fork().kill()
    made.process.send_signal(signal.SIGTERM)
    same(made.close(), -signal.SIGTERM)


def test_thread_in_the_zygote_later():
    """A thread that a module's fork hook starts is seen before the next fork."""
    folder, file = written("import os, threading, time\n"
                           "def late():\n"
                           "    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()\n"
                           "os.register_at_fork(after_in_parent=late)\ndef f(): pass\n")
    made = Zygote(python[0], paths=[folder], files=[file])
    first = made.fork()
    try:
        made.fork()
        raise AssertionError("it forked with a thread")
    except AssertionError as error:
        assert "thread-started" in str(error), error
    first.kill()
    made.process.kill()
    made.close()


def test_output_at_import():
    read, write = os.pipe()
    folder, file = written("print('hello from the module')\ndef f(): pass\n")
    made = Zygote(python[0], stderr=write, paths=[folder], files=[file])
    os.close(write)
    same(os.read(read, 100), b"hello from the module\n")
    made.close()
    os.close(read)


# ---- the start of a worker

def test_start():
    child = fresh()
    pid, parent, session = child.value("tasks.pids")
    same((pid, parent, session), (child.pid, os.getpid(), child.pid))
    state = child.value("tasks.state")
    same((state["score"], state["name"], state["core"]), ("500", "fp-%d" % child.pid, [0, 0]))
    same((state["stdin"], state["sigterm"], state["mask"], state["inherits"]), ("", True, 0, [0, 1, 2]))
    files = state["files"]
    same(sorted(files, key=int)[:6], list("012345"))
    same([files["0"], files["1"] == files["2"]], ["/dev/null", True])
    same([files[at].split(":")[0] for at in "345"], ["pipe", "pipe", "socket"])
    assert state["kept"] > 5 and len(files) <= 8, files  # those six, the module's own, maybe the listing's
    same(child.page[0], child.pid)
    child.kill()


def test_seeds():
    folder, file = written("import sys, types, random\nrandom.seed(1)\nseeded = []\n"
                           "fake = types.ModuleType('numpy.random')\nfake.seed = lambda: seeded.append(1)\n"
                           "sys.modules['numpy.random'] = fake\n"
                           "def f(): return [random.random(), len(seeded)]\n", "seeds.py")
    made = Zygote(python[0], paths=[folder], files=[file])
    children = [made.fork() for _ in range(4)]
    values = [child.value("seeds.f") for child in children]
    same(len({value[0] for value in values}), 4)
    same([value[1] for value in values], [1] * 4)
    for child in children:
        child.kill()
    made.close()
