"""What a run tells a person: how far it is, its beginning, end and curves."""
