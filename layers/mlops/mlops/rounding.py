"""Numbers beside their limits, where the last bits of sums of floats decide nothing."""

# As many decimals of a number decide: a sum of floats is right to some sixteen, and no data set is that large.
PLACES = 9


def reaches(value: float, limit: float) -> bool:
    """Whether a number is at least its limit; the last bits of sums of floats decide nothing. Not a number is not."""
    return round(value, PLACES) >= round(limit, PLACES)


def keeps_to(value: float, limit: float) -> bool:
    """Whether a number is at most its limit, likewise."""
    return round(value, PLACES) <= round(limit, PLACES)
