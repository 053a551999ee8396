"""The parts of a page about a study that a person opens in a browser.

A page is one file. Styles, program and pictures are in it, it asks no network for anything, and
its policy forbids a browser to. All names of cases, raters and files are escaped. A command adds a
template that extends ``base.html``.
"""
