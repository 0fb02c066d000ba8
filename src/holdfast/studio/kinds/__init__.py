"""One file for each kind of model: how it reads an input, and what it answers."""
