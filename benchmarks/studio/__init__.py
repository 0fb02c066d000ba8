"""How quickly the Studio answers."""
