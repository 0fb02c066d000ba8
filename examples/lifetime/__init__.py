"""A task of your own: how many steps a machine has left, from the readings of its sensors."""
