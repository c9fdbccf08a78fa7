"""Stripboard: copper strips between milled gaps, drilled on a grid, worn and dusty."""

import numpy as np

from local.pictures.raster import Array, Grid, Point, blend, coverage, meander, smoothstep, stroke, texture, tint

PITCH = 2.54
"""Distance between holes, mm. A hole lies at the origin of the board."""

HOLE_RADIUS = 0.53
GAP_WIDTH = 0.46

COPPER = (0.575, 0.41, 0.335)
OXIDE = (0.36, 0.24, 0.18)
BARE_EDGE = (0.86, 0.58, 0.45)
SUBSTRATE = (0.155, 0.115, 0.095)
CAVITY = (0.085, 0.075, 0.075)
DUST = (0.74, 0.68, 0.63)

_SOFT = 0.06
"""How far the rim of a stain reaches, mm."""


def draw_board(grid: Grid, rng: np.random.Generator) -> Array:
    """Return the picture of an empty board (height x width x 3, from 0 to 1)."""
    image = copper(grid, rng)
    draw_gaps(image, grid, rng)
    draw_stains(image, grid, rng)
    draw_scratches(image, grid, rng)
    draw_holes(image, grid, rng)
    draw_dust(image, grid, rng)
    return image


def copper(grid: Grid, rng: np.random.Generator) -> Array:
    """Rolled copper: grain along the strips, blotches of oxide."""
    wear = rng.uniform(0.5, 1.5)
    shade = 1 + 0.022 * texture(rng, grid, 0.03, stretch=3) + 0.012 * texture(rng, grid, 0.05, stretch=14)
    image = tint(shade + 0.02 * wear * texture(rng, grid, 1.2), COPPER)
    blend(image, OXIDE, 0.16 * wear * smoothstep(0.6, 2.6, texture(rng, grid, 0.9)))
    return image


def draw_gaps(image: Array, grid: Grid, rng: np.random.Generator) -> None:
    """The gaps that part the strips, half-way between the columns of holes; the cutter leaves a ragged edge."""
    ragged = 0.004 * texture(rng, grid, 0.06) + 0.006 * texture(rng, grid, 0.2) + 0.012 * texture(rng, grid, 0.9)
    from_middle = np.abs(np.mod(grid.x, PITCH) - PITCH / 2).astype(np.float32)
    distance = from_middle - GAP_WIDTH / 2 + ragged
    blend(image, OXIDE, 0.35 * coverage(grid, np.abs(distance) - 0.03))
    floor = 1.1 + 0.06 * texture(rng, grid, 0.05, stretch=2) + 0.20 * texture(rng, grid, 1.5, stretch=2)
    blend(image, tint(floor, SUBSTRATE), coverage(grid, distance))


def draw_holes(image: Array, grid: Grid, rng: np.random.Generator) -> None:
    """Drilled holes: a burr that catches the light on one side, a wall that does so inside, darkness."""
    dx, dy = from_nearest_hole(grid, rng)
    distance = np.hypot(dx, dy) - HOLE_RADIUS + 0.006 * texture(rng, grid, 0.12)
    lit_side = np.clip((dx - 0.35 * dy) / HOLE_RADIUS, -1, 1)
    blend(image, OXIDE, 0.45 * coverage(grid, distance - 0.05) * (0.5 - 0.5 * lit_side))
    blend(image, BARE_EDGE, 0.95 * coverage(grid, np.abs(distance) - 0.025) * smoothstep(0.1, 0.95, lit_side))
    depth = 1.1 + 0.7 * lit_side * smoothstep(-0.35, 0, distance) + 0.12 * texture(rng, grid, 0.3)
    blend(image, tint(depth, CAVITY), coverage(grid, distance))


def from_nearest_hole(grid: Grid, rng: np.random.Generator) -> tuple[Array, Array]:
    """Offsets in mm from the nearest hole; no drill hits the grid exactly."""
    column, row = np.rint(grid.x / PITCH).astype(int), np.rint(grid.y / PITCH).astype(int)
    wander = rng.normal(0, 0.02, (2, 16, 16)).astype(np.float32)
    x_error, y_error = wander[:, row % 16, column % 16]
    return (grid.x - column * PITCH - x_error).astype(np.float32), (grid.y - row * PITCH - y_error).astype(np.float32)


def draw_stains(image: Array, grid: Grid, rng: np.random.Generator) -> None:
    """A few dark spots of flux and finger marks."""
    for _ in range(rng.poisson(5)):
        x, y = anywhere(grid, rng)
        radius = np.float32(rng.uniform(0.04, 0.16))
        squeezed, strength = rng.uniform(0.7, 1.4), rng.uniform(0.15, 0.7)
        window = grid.around(np.array([(x, y)], np.float32), float(radius + _SOFT) / min(1, squeezed))
        spot = grid[window]
        distance = np.hypot(spot.x - x, (spot.y - y) * squeezed) - radius
        blend(image[window], OXIDE, strength * smoothstep(_SOFT, -0.03, distance))


def draw_scratches(image: Array, grid: Grid, rng: np.random.Generator) -> None:
    """Hairlines, brighter or darker than the copper."""
    for _ in range(rng.poisson(7)):
        path = meander(anywhere(grid, rng), rng.uniform(0.4, 3.0), rng.uniform(0, 2 * np.pi), 0.08, rng)
        window = grid.around(path, 0.1)
        line = coverage(grid[window], stroke(path, rng.uniform(0.008, 0.025))(grid[window]))
        blend(image[window], DUST if rng.random() < 0.6 else OXIDE, rng.uniform(0.12, 0.4) * line)


def draw_dust(image: Array, grid: Grid, rng: np.random.Generator) -> None:
    """Specks everywhere and now and then a fibre."""
    specks = smoothstep(2.3, 3.4, texture(rng, grid, 0.035))
    blend(image, DUST, 0.45 * specks)
    for _ in range(rng.poisson(0.8)):
        path = meander(anywhere(grid, rng), rng.uniform(0.5, 1.6), rng.uniform(0, 2 * np.pi), 0.45, rng)
        window = grid.around(path, 0.1)
        line = coverage(grid[window], stroke(path, 0.025)(grid[window]))
        blend(image[window], OXIDE if rng.random() < 0.7 else DUST, 0.5 * line)


def anywhere(grid: Grid, rng: np.random.Generator) -> Point:
    """A random point of the picture, mm."""
    row, column = (int(rng.integers(side)) for side in grid.shape)
    return float(grid.x[row, column]), float(grid.y[row, column])
