"""The rows, a file for each task: `SUITES` names tuples of them.

A file that is put here is found, and its rows join suites of the same name.
"""
