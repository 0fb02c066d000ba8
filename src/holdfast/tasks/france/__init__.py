"""The long-memory demo: a country named once, up to 200 words of other things, and the language at the end."""
