"""Config files and the values in them, as a run and its workdir know them."""
