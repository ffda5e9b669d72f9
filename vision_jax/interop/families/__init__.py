"""A family of models a file: how others name its leaves, what they publish.

A file has LAYOUTS, name of a source -> shapes of our leaves -> rules, and
PUBLISHED, "SOURCE:MODEL" -> `Published`. It may have `from_config`, which reads
a Hugging Face config.json (dict -> `Published`, None where it is of another
family). That the file is there is all that there is to registering it.
"""
