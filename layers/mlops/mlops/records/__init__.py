"""What is remembered: the table, one module a kind of row."""
