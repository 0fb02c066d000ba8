"""The web page that shows the inside of a recurrent network, and the game that teaches it."""
