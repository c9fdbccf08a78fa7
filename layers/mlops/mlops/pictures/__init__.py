"""Image files, pixels and drawings. Needs the imaging layer."""
