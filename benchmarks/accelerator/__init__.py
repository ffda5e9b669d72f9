"""What an accelerator does, in 25 minutes: `python -m benchmarks.accelerator`.

Stages of measurements, each in a process of its own with a time limit, the most
telling first; a JSON line after each; going on where it stopped. README.md in
the folder above says how to read it.
"""
