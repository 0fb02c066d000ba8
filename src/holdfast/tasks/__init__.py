"""What people use LSTMs for: one folder a task, each with the same five files."""
