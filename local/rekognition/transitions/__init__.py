"""What goes on after an answer: every passing state, in a task of its own."""
