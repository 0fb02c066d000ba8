"""The definition of correct: every cell as plain torch, written to be read. Kernels are measured against it."""
