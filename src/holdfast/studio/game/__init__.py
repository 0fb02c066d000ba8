"""The game "You are the gates": ten streams of cards, and a player who sets f, i and o of an LSTM cell by hand."""
