"""How a transistor looks under the lamp: shadow, leads, case, and the rough moulding where it is damaged."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from local.pictures.part import CASE_BOTTOM, CASE_CENTRE, CASE_TOP, CASE_WIDTH, Damage, Finish, Lead, Part
from local.pictures.raster import (
    Array,
    Grid,
    Pose,
    blend,
    coverage,
    disc,
    enlarge,
    smoothstep,
    soften,
    texture,
    tint,
)

MOULDING = (0.052, 0.047, 0.047)
MOULDING_EDGE = (0.20, 0.15, 0.13)
FRACTURE = (0.98, 1.0, 0.93)
NEUTRAL = (1.0, 0.98, 0.87)
SKY = (0.74, 0.79, 1.08)
TIN = (0.93, 0.95, 0.92)
TIN_RIM = (0.90, 0.84, 0.66)
COPPER_GLOW = (0.30, 0.17, 0.13)
DARK = (0.06, 0.05, 0.05)

MARK_RADIUS = 0.74
PRINT_RESOLUTION = 40
"""Pixels per mm of the printed lot code."""


def draw_part(image: Array, grid: Grid, part: Part, rng: np.random.Generator) -> None:
    """Draw a part onto the board, in place."""
    draw_shadow(image, grid, part)
    own = grid.seen_from(part.pose)
    for lead in part.leads:
        draw_lead(image, own, lead, part.finish, rng)
    draw_case(image, own, part, rng)


def draw_shadow(image: Array, grid: Grid, part: Part) -> None:
    """The soft shadow beside the part; drawn coarsely, for it has no edges."""
    coarse = grid.coarser(4)
    away = coarse.seen_from(Pose(shift=(-0.10, 0.12)))
    shade = soften(coverage(coarse, part.silhouette(away) - 0.05), 0.16 / coarse.pixel)
    image *= 1 - 0.42 * enlarge(shade, grid.shape)[..., None]


def draw_lead(image: Array, grid: Grid, lead: Lead, finish: Finish, rng: np.random.Generator) -> None:
    """Draw one lead, in place; `grid` is in the part's coordinates."""
    window = grid.around(lead.path, 0.5)
    spot = grid[window]
    distance, along, across = lead.measure(spot)
    metal = lead_metal(spot, lead, along, across, rng) * np.float32(finish.lead_brightness)
    blend(image[window], DARK, 0.5 * coverage(spot, distance - 0.03))
    blend(image[window], metal, coverage(spot, distance))


def lead_metal(grid: Grid, lead: Lead, along: Array, across: Array, rng: np.random.Generator) -> Array:
    """The colours of a tinned lead: streaks along it, bright rims, a crushed joint, the board mirrored in its tail."""
    start, end = lead.joint
    at_joint = smoothstep(start - 0.02, start + 0.05, along) * smoothstep(end + 0.08, end - 0.12, along)
    streaks = specular(along, across, rng)
    tone = 0.40 + 0.30 * streaks + 0.10 * texture(rng, grid, 0.05) + 0.18 * at_joint
    tone += 0.25 * smoothstep(0.10, 0, np.abs(along - end + 0.12)) - 0.30 * smoothstep(0.035, 0, np.abs(along - start))
    metal = tint(np.clip(tone, 0.08, 1.05), TIN)
    blend(metal, TIN_RIM, 0.55 * smoothstep(0.16, 0.04, np.abs(np.abs(across) - 0.82)) * (0.75 + 0.25 * streaks))
    blend(metal, DARK, 0.55 * smoothstep(0.88, 1.0, np.abs(across)))
    tail = smoothstep(end, end + 0.45, along)
    blend(metal, tint(0.8 + 0.22 * streaks, COPPER_GLOW), (0.80 if lead.seated else 0.45) * tail)
    if lead.seated:
        blend(metal, DARK, 0.92 * smoothstep(lead.length - 1.0, lead.length - 0.1, along))
    else:
        blend(metal, TIN, 0.6 * smoothstep(0.09, 0.03, np.abs(along - lead.length + 0.06)))
    return metal


def specular(along: Array, across: Array, rng: np.random.Generator) -> Array:
    """Uneven shine that follows the metal: about -1 to 1, in streaks thrice as long as wide."""
    shine = enlarge(rng.standard_normal((22, 9), np.float32), (240, 24))
    rows = np.clip(along * 40, 0, 239).astype(int)
    columns = np.clip((across + 1) * 12, 0, 23).astype(int)
    facet = 0.7 - 1.1 * np.abs(across + np.float32(rng.normal(0, 0.25)))
    return np.asarray(np.clip(0.6 * shine[rows, columns] + facet, -1.2, 1.5))


def draw_case(image: Array, grid: Grid, part: Part, rng: np.random.Generator) -> None:
    """Draw the case, in place; `grid` is in the part's coordinates."""
    corners = np.array([(-CASE_WIDTH / 2, CASE_TOP), (CASE_WIDTH / 2, CASE_BOTTOM)])
    window = grid.around(corners, 0.3)
    spot, view = grid[window], image[window]
    roughness = 0.005 * texture(rng, spot, 0.05) + 0.006 * texture(rng, spot, 0.4) + flash(spot, rng)
    distance = part.case(spot) - roughness
    case = moulding(spot, part.finish, distance, rng)
    for damage in part.damages:
        draw_fracture(case, spot, damage, rng)
    blend(view, case, coverage(spot, distance))


def flash(grid: Grid, rng: np.random.Generator) -> Array:
    """Thin ragged moulding flash along the top edge, mm."""
    near_top = smoothstep(CASE_TOP + 0.25, CASE_TOP - 0.05, grid.y)
    ragged = texture(rng, grid, 0.11) * np.clip(texture(rng, grid, 0.6), 0.15, 1.5)
    return 0.05 * near_top * np.clip(ragged, -0.6, 1.5)


def moulding(grid: Grid, finish: Finish, distance: Array, rng: np.random.Generator) -> Array:
    """The colours of an intact case: black, with soft vertical reflections, mark, print, dusty edges."""
    case = tint(1 + 0.10 * texture(rng, grid, 0.04) + 0.15 * texture(rng, grid, 0.8), MOULDING)
    draw_sheen(case, grid, finish, rng)
    draw_mark(case, grid, finish, rng)
    draw_lot_code(case, grid, finish)
    ridge = smoothstep(0.05, 0.0, np.abs(np.abs(grid.x) - CASE_WIDTH / 2 + 0.09))
    blend(case, MOULDING_EDGE, rng.uniform(0.25, 0.75) * ridge)
    blend(case, DARK, 0.8 * smoothstep(-0.07, -0.01, distance))
    crumbs = smoothstep(0.7, 2.2, texture(rng, grid, 0.05)) * smoothstep(CASE_TOP + 0.10, CASE_TOP + 0.03, grid.y)
    blend(case, FRACTURE, 0.35 * crumbs + 0.30 * smoothstep(2.2, 3.4, texture(rng, grid, 0.03)))
    return case


def draw_sheen(case: Array, grid: Grid, finish: Finish, rng: np.random.Generator) -> None:
    """Reflections of the lamps: bands down the curved front, the middle one bluish and stronger towards the leads."""
    place = grid.x / np.float32(CASE_WIDTH / 2) - np.float32(finish.sheen_shift)
    brushed = 1 + 0.16 * texture(rng, grid, 0.03, stretch=2) + 0.10 * texture(rng, grid, 0.06, stretch=20)
    low = smoothstep(CASE_CENTRE[1] - 1.5, CASE_BOTTOM, grid.y)
    left, middle, right = finish.sheen
    for centre, half_width, strength, colour in (
        (-0.62, 0.20, left, NEUTRAL),
        (-0.02, 0.34, middle * (0.3 + 1.1 * low), SKY),
        (0.56, 0.22, right, NEUTRAL),
    ):
        band = smoothstep(half_width, 0, np.abs(place - centre))
        case += tint(band * brushed * strength, colour)


def draw_mark(case: Array, grid: Grid, finish: Finish, rng: np.random.Generator) -> None:
    """The ejector-pin mark: a ring around a sunken disc with a letter, seen only where its edge catches light."""
    x, y = CASE_CENTRE[0] + rng.normal(0, 0.05), CASE_CENTRE[1] - 0.1 + rng.normal(0, 0.05)
    distance = disc((x, y), MARK_RADIUS)(grid)
    case *= 1 - 0.35 * coverage(grid, distance)[..., None]
    catches = np.clip(0.5 + 0.8 * texture(rng, grid, 0.35), 0.05, 1.6)
    ring = coverage(grid, np.abs(distance) - 0.018) * catches
    letter = lettering(grid, finish.mark, (x, y), 0.85) * (0.3 + 0.3 * catches)
    case += tint(np.float32(0.22 * finish.mark_relief) * (ring + letter), NEUTRAL)


def draw_lot_code(case: Array, grid: Grid, finish: Finish) -> None:
    """Laser print above and below the mark."""
    for line, y in zip(finish.lot_code, (CASE_CENTRE[1] - 1.45, CASE_CENTRE[1] + 1.25), strict=False):
        case += tint(np.float32(finish.print_strength) * lettering(grid, line, (0.0, y), 0.75), NEUTRAL)


def lettering(grid: Grid, text: str, centre: tuple[float, float], height: float) -> Array:
    """How much of each pixel a line of text covers; `height` is the size of the type in mm."""
    font = ImageFont.load_default(height * PRINT_RESOLUTION)
    _, _, right, bottom = font.getbbox(text, anchor="lt")
    plate = Image.new("L", (round(right) + 2, round(bottom) + 2))
    ImageDraw.Draw(plate).text((1, 1), text, fill=255, font=font, anchor="lt")
    ink = np.asarray(plate, np.float32) / 255
    columns = np.rint((grid.x - centre[0]) * PRINT_RESOLUTION + plate.width / 2).astype(int)
    rows = np.rint((grid.y - centre[1]) * PRINT_RESOLUTION + plate.height / 2).astype(int)
    inside = (columns >= 0) & (columns < plate.width) & (rows >= 0) & (rows < plate.height)
    return np.where(inside, ink[rows.clip(0, plate.height - 1), columns.clip(0, plate.width - 1)], 0)


def draw_fracture(case: Array, grid: Grid, damage: Damage, rng: np.random.Generator) -> None:
    """Bare moulding compound: rough and grey, brightest where it broke off steeply."""
    distance = damage.region(grid)
    rough = 0.45 + 0.28 * texture(rng, grid, 0.04) + 0.30 * texture(rng, grid, 0.25)
    lip = 0.5 * smoothstep(0.07, 0, np.abs(distance + 0.04))
    stone = tint(np.float32(damage.brightness) * np.clip(rough + lip, 0.03, 1.6) + 0.03, FRACTURE)
    blend(case, stone, coverage(grid, distance) * np.clip(0.8 + 0.35 * texture(rng, grid, 0.1), 0, 1))
