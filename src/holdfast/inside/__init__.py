"""What happened inside a model: measures and pictures on any torch module."""
