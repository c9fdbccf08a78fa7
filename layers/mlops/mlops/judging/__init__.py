"""How right a model is, and whether that is enough. Pure: no AWS, no pictures."""
