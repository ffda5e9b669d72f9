"""The processes of one run: found, counted, watched, of one mind."""
