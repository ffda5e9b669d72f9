"""Readers of others' formats, one a file; `interop.files` is their door."""
