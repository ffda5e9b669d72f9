"""What a run was made of: code, data, machine; and what is another by now."""
