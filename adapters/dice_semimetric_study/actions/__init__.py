"""What each command does, in a module of its name with a function ``run``.

It is imported once the options are known: to describe the commands takes none of this.
"""
