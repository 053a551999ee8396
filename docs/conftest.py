"""Doctest the pages alone, not what the documentation is built of and into."""

collect_ignore = ["conf.py", "gallery", "generated", "_build"]
