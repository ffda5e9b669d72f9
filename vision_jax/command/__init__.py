"""The command: flags read once, and what each mode does with them."""
