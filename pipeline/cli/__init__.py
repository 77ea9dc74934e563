"""Arguments in, exit code out: the command line, and the only room that prints.

`main.py` lists every command; the module of a command is imported only when the command is
named, so that help and completion stay instant. A command reads words, calls other rooms and
hands a result to `output.Output`, which renders text or JSON.
"""
