"""What a run tells a person: how far it is, what it began with, its end, its curves."""
