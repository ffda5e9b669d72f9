"""How data sets lie in folders: a file here is a layout, by its name.

Each has `recognise(folder) -> Found | None`, which looks at names and at the
beginnings of files alone, and raises a `DataError` where a folder would be of
its layout but for one thing, which it names.
"""
