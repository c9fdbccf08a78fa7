"""Folders of labelled pictures in the layouts that people have: recognised, read, and written as one manifest."""
