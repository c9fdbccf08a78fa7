"""Datasets: keys, labels, sides, boxes, manifests, limits. Pure: no AWS, no pictures."""
