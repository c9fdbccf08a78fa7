"""What the functions do: one module a function, of the same name."""
