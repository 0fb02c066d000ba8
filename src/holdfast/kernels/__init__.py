"""The cells of `reference`, faster: `ops` is the door, `dispatch` the choice, and a file for each backend."""
