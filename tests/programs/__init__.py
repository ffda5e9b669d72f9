"""What the tests of the command run: a small config, and ways to run it."""
