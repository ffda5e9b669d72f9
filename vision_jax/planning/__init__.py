"""What a config would need of devices that are not here."""
