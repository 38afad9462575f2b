

# forkpool's Python side, end of part 4 (rare): what could not be loaded, and what is not offered, in words.
LISTED_MAX = 20  # names in one message
ENVIRONMENTS = (".venv", "venv", ".env", "env")  # as people name them


def import_failure(error, zygote):
    """Why code could not be loaded, and what to do about it if that is known."""
    if not isinstance(error, ImportError):
        return line_of(error), None
    if isinstance(error, ModuleNotFoundError) and error.name:
        advice = where_it_may_be(error.name, zygote) + who_looked(zygote)
    elif "relative import" in message_of(error):
        advice = whole_names(zygote)
    else:
        advice = ["it was loaded by " + interpreter(zygote)]
    return line_of(error), "\n".join(advice)


def interpreter(zygote):
    chosen_by = zygote.asked.get("chosen_by")
    return "%s (Python %s%s)" % (own_path(), sys.version.split()[0], ", " + chosen_by if chosen_by else "")


def who_looked(zygote):
    """Which interpreter it was, where it looks, and how to have another one."""
    asked = zygote.asked
    folders = list(dict.fromkeys(asked["paths"] + [asked[each] for each in ("folder",) if asked.get(each)]))
    where = "".join("in %s, " % each for each in folders[:LISTED_MAX])
    return ["it was looked for by %s, %sin what is installed there" % (interpreter(zygote), where),
            "--python names another interpreter, --python-path adds a folder; PYTHONPATH and the user's site are ignored"]


def where_it_may_be(name, zygote):
    """What is near a module that was not found: names like it, folders that have it, environments that may."""
    home, _, last = name.rpartition(".")
    if home:
        package = sys.modules.get(home)
        names = submodules(package)
        return [home + " " + no_member(last, names)] if names else []
    advice, here = [], current_folder()
    for each in zygote.asked["modules"]:  # given as others have it, module:function
        if each in sys.modules and is_function(getattr(sys.modules[each], name, None)):
            advice.append("%s has a function of this name: --function %s.%s" % (each, each, name))
    if here is None or advice:
        return advice
    for place in dict.fromkeys([here, os.path.join(here, "src")] + [os.path.dirname(each) for each in zygote.asked["paths"]]):
        if place not in sys.path and has_module(place, name):
            short = place[len(here) + 1:] if place.startswith(here + "/") else place
            advice.append("%s is in %s: --python-path %s" % (name, place, "." if place == here else short))
            break
    else:
        own = {each["module"] for each in zygote.asked["files"]}.union(*map(modules_in, zygote.asked["paths"] + [here]))
        near = nearest(name, own)
        if near:
            advice.append("did you mean %s?" % near)
    for each in ENVIRONMENTS:
        python = os.path.join(each, "bin", "python")
        if os.path.exists(python) and os.path.realpath(os.path.join(here, each)) != os.path.realpath(sys.prefix):
            advice.append("there is another environment here: --python %s" % python)
    return advice


def whole_names(zygote):
    """For a file that is served as such, but belongs to a package: the name that the module has."""
    advice = []
    for file in zygote.asked["files"]:
        folder, parts = os.path.dirname(file["path"]), [file["module"]]
        while os.path.exists(os.path.join(folder, "__init__.py")) and os.path.basename(folder).isidentifier():
            folder, parent = os.path.split(folder)
            parts.insert(0, parent)
        if len(parts) == 1 and os.path.basename(folder).isidentifier():  # a package may do without an __init__.py
            folder, parent = os.path.split(folder)
            parts.insert(0, parent)
        if len(parts) > 1:
            path = "" if folder == current_folder() else ", with --python-path " + folder
            advice.append("%s is part of a package: give its name, %s%s" % (file["path"], ".".join(parts), path))
    return advice


def current_folder():
    try:
        return os.getcwd()
    except OSError:
        return None


def has_module(folder, name):
    path = os.path.join(folder, name)
    return os.path.isfile(path + ".py") or bool(modules_in(path))


def modules_in(folder):
    """The names of the modules that lie in a folder: files, and folders with an __init__.py."""
    names = set()
    try:
        for each in os.listdir(folder):
            stem = each[:-3] if each.endswith(".py") else each
            if stem.isidentifier() and not stem.startswith("_") and (
                    stem != each or os.path.exists(os.path.join(folder, each, "__init__.py"))):
                names.add(stem)
    except OSError:
        pass
    return names


def submodules(package):
    """The names of a package's modules, none for a plain module."""
    try:
        return sorted(set().union(*map(modules_in, getattr(package, "__path__", ()))))
    except Exception:
        return []


def nearest(word, names):
    import difflib
    return "".join(difflib.get_close_matches(word, sorted(names), 1))


def no_member(name, names):
    near = nearest(name, names)
    return "has no %s%s" % (name, "; did you mean %s?" % near if near else "; it has " + listed_names(list(names)))


def no_attribute(value, parts, at):
    """What is missing in which object, and what is like it there."""
    names = [each for each in vars(value) if not each.startswith("_")] if hasattr(value, "__dict__") else []
    near = nearest(parts[at], names + submodules(value))
    return "%s has no %s%s" % (".".join(parts[:at]), parts[at], "; did you mean %s?" % near if near else "")


def listed_names(names):
    more = len(names) - LISTED_MAX
    return ", ".join(names[:LISTED_MAX]) + (" and %d more" % more if more > 0 else "")


# ---- what is not offered

def say_skipped(zygote, module, offered):
    """Say what of a module is not offered, and why."""
    name, listed = module.__name__, all_of(module)
    said = [] if offered else ["it has no public functions of its own"]
    own = submodules(module)
    if own and not offered:
        said.append("its modules are %s: name those that are meant" % listed_names([name + "." + each for each in own]))
    classes, elsewhere, unlisted = [], [], []
    for each, value in list(vars(module).items()):
        try:
            if each.startswith("_") or not callable(value):
                continue
            defined = value.__module__ == name
            if isinstance(value, type):
                if defined or each in (listed or ()):
                    classes.append(each)
            elif listed is not None:
                if defined and each not in listed:
                    unlisted.append(each)
            elif not defined and is_function(value):
                elsewhere.append(each)
        except Exception:
            pass
    missing = [each for each in listed or () if each not in vars(module) and not hasattr(module, each)]
    for why, names, more in (("classes", classes, " (--function offers their class and static methods)"),
                             ("not in its __all__", unlisted, ""), ("defined elsewhere", elsewhere, ""),
                             ("in its __all__, but not there", missing, "")):
        if names:
            said.append("%s: %s%s" % (why, listed_names(names), more))
    if said:
        zygote.send({"op": "skipped", "what": name, "message": cut("; ".join(said), 8192), "all": not offered})
