import numpy as np

from local.rekognition.engine.maps import BINS, integrate, pool


def test_what_goes_on_askew_beyond_a_box_is_seen_at_its_corner() -> None:
    line = np.eye(12, dtype=np.float32)[:, :, None]
    short = line.copy()
    short[8:] = 0
    box = np.array([[4.0, 4.0, 8.0, 8.0]])

    long_one, short_one = (pool(integrate(values), box)[0, :, 0] for values in (line, short))

    assert long_one.shape == (BINS,)
    # Only the lower right corner tells them apart: not the parts of the box, nor the strips beside it.
    assert np.flatnonzero(long_one != short_one).tolist() == [BINS - 1]
