"""The command line: one file per group of commands. Nothing here loads torch before a command needs it."""
