import os,builtins as b;s=os.read(0,131072).partition(b'\0');exec(compile(s[0],'<forkpool>','exec'),{'__name__':'forkpool','__builtins__':dict(vars(b)),'RARE':s[2]})
