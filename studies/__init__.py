"""Claims about attention and its mean-field limit, each a study with numbers, a table and a figure.

This package is the command `meanfield`; nothing in `particles` or `meanfield` imports it.
"""
