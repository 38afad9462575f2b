# What `python3 -I -c` is given: it executes the source text that comes as the first two packets on descriptor 0
# (see bootstrap/values.py) in a namespace with a copy of the builtins: no task can patch those of the worker.
import os, builtins
hot, rare = os.read(0, 131072).split(b"\0")
objects, types = os.read(0, 131072).split(b"\0")
space = {"__name__": "forkpool", "__builtins__": dict(vars(builtins)), "RARE": rare,
         "OBJECTS": objects, "TYPES": types}
exec(compile(hot, "<forkpool>", "exec"), space)
