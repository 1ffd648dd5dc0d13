"""What eventtag does, as functions: one module each, settings or keyword arguments in, results out.

`eventtag` gives them their public names. A command of the command line calls one of them and prints what it returns.
"""
