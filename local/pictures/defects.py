"""The four defects: each takes a good part and returns what is on the board instead, and the region to outline.

`severity` runs from 0 (barely visible) to 1 (obvious). Regions are in the board's coordinates.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from local.pictures.board import HOLE_RADIUS
from local.pictures.part import CASE_BOTTOM, CASE_CENTRE, CASE_TOP, CASE_WIDTH, LEAD_WIDTH, Damage, Part, intact_case
from local.pictures.raster import Array, Grid, Point, Pose, Region, disc, meander, stroke, union


@dataclass(frozen=True)
class Scene:
    """What is on the board (nothing, when the part is missing) and where the defect is, if there is one."""

    part: Part | None
    defect: Region | None = None


def bent_lead(part: Part, severity: float, rng: np.random.Generator) -> Scene:
    """One lead, seldom two, bent out of its hole; outlined where it left its place."""
    regions = []
    for index in rng.permutation(3)[: 1 + (rng.random() < 0.15)]:
        lead = part.leads[index]
        hinge = rng.uniform(0.40, 0.72) * lead.length
        angle = rng.choice([-1, 1]) * np.radians(8 + 48 * severity + rng.uniform(0, 6))
        bent = lead.lengthened(rng.uniform(0, 0.8)).bent(hinge, angle)
        part = part.with_lead(index, bent)
        regions.append(stroke(bent.beyond(hinge + 0.2), LEAD_WIDTH + 0.1))
    return Scene(part, part.on_board(union(*regions)))


def cut_lead(part: Part, severity: float, rng: np.random.Generator) -> Scene:
    """One lead, seldom two, cut short; outlined where it is missing, down to its hole."""
    regions: list[Region] = []
    for index in rng.permutation(3)[: 1 + (rng.random() < 0.2)]:
        lead = part.leads[index]
        left = lead.length * (0.86 - 0.66 * severity + rng.uniform(-0.06, 0.04))
        stump = lead.cut(left)
        if rng.random() < 0.4:
            stump = stump.bent(left - 0.6, rng.normal(0, 0.35))
        part = part.with_lead(index, stump)
        end = tuple(lead.path[-1])
        regions += [stroke(lead.beyond(left), LEAD_WIDTH + 0.15), disc(end, HOLE_RADIUS - 0.08)]
    return Scene(part, part.on_board(union(*regions)))


def damaged_case(part: Part, severity: float, rng: np.random.Generator) -> Scene:
    """Moulding chipped at an edge, broken off, gouged or cracked."""
    kinds: list[Callable[[float, np.random.Generator], Damage]] = [chip, chip, gouge, crack, scuff]
    if severity > 0.6:
        kinds.append(breakage)
    count = 1 + (rng.random() < 0.3)
    damages = tuple(kinds[rng.integers(len(kinds))](severity, rng) for _ in range(count))
    outline = within_case(union(*(damage.region for damage in damages)))
    return Scene(replace(part, damages=damages), part.on_board(outline))


def misplaced(part: Part, severity: float, rng: np.random.Generator) -> Scene:
    """Missing, turned, shifted or upside down; outlined both where the part is and where it should be."""
    if rng.random() < 0.2:
        return Scene(None, part.silhouette)
    unseated = tuple(replace(lead, seated=False) for lead in part.leads)
    moved = replace(part, leads=unseated, pose=wrong_pose(severity, rng))
    return Scene(moved, union(part.silhouette, moved.silhouette))


def wrong_pose(severity: float, rng: np.random.Generator) -> Pose:
    """A place the part should not be in: upside down at times, else turned and shifted with the severity."""
    if rng.random() < 0.15:
        return Pose((rng.normal(0, 0.2), 2.3 + rng.normal(0, 0.3)), np.pi + rng.normal(0, 0.04), CASE_CENTRE)
    side = rng.choice([-1, 1])
    turn = np.radians(side * (3 + 17 * severity) * (rng.random() < 0.65) + rng.normal(0, 1))
    reach = 0.45 + 1.2 * severity
    return Pose((rng.choice([-1, 1]) * reach * rng.uniform(0.5, 1), reach * rng.uniform(-0.7, 0.7)), turn, CASE_CENTRE)


def chip(severity: float, rng: np.random.Generator) -> Damage:
    """A piece off an edge."""
    radius = 0.28 + 0.85 * severity
    region = blob(on_edge(rng), (radius * rng.uniform(0.7, 1.5), radius * rng.uniform(0.6, 1.1)), rng)
    return Damage(region, brightness(severity, rng), depth=rng.uniform(0.05, 0.45) * radius)


def breakage(severity: float, rng: np.random.Generator) -> Damage:
    """The top of the case gone."""
    centre = (rng.uniform(-1.2, 1.2), CASE_TOP - 0.3)
    region = blob(centre, (2.2 + rng.uniform(0, 1), 0.5 + severity * rng.uniform(0.5, 1.0)), rng)
    return Damage(region, brightness(severity, rng), depth=rng.uniform(0.15, 0.4))


def gouge(severity: float, rng: np.random.Generator) -> Damage:
    """A crater in the front."""
    radius = 0.20 + 0.6 * severity
    region = blob(on_front(rng), (radius * rng.uniform(0.7, 1.6), radius * rng.uniform(0.6, 1.2)), rng)
    return Damage(region, brightness(severity, rng))


def crack(severity: float, rng: np.random.Generator) -> Damage:
    """A crack that wanders over the front."""
    path = meander(on_front(rng), 0.7 + 2.0 * severity, rng.uniform(0, 2 * np.pi), 0.35, rng)
    return Damage(stroke(path, 0.07 + 0.12 * severity * rng.random()), brightness(severity, rng))


def scuff(severity: float, rng: np.random.Generator) -> Damage:
    """A patch of parallel scratches."""
    start, heading = np.array(on_front(rng)), rng.uniform(0, 2 * np.pi)
    lines = []
    for _ in range(2 + round(5 * severity)):
        offset = start + rng.normal(0, 0.12 + 0.15 * severity, 2)
        path = meander(tuple(offset), rng.uniform(0.4, 0.8 + severity), heading, 0.08, rng)
        lines.append(stroke(path, rng.uniform(0.06, 0.12)))
    return Damage(union(*lines), brightness(severity, rng))


def brightness(severity: float, rng: np.random.Generator) -> float:
    """How far bare moulding stands out from the skin."""
    return float(0.14 + 0.30 * severity * rng.uniform(0.4, 1) + rng.uniform(0, 0.1))


def on_edge(rng: np.random.Generator) -> Point:
    """A point on the outline of the case, seldom on the side of the leads."""
    along = rng.uniform(-1, 1)
    side = rng.choice(4, p=[0.4, 0.25, 0.25, 0.1])
    x = (along, -1, 1, along)[side] * CASE_WIDTH / 2
    y = CASE_CENTRE[1] + (-1, along, along, 1)[side] * (CASE_BOTTOM - CASE_TOP) / 2
    return x, y


def on_front(rng: np.random.Generator) -> Point:
    """A point on the front of the case, away from its edges."""
    return rng.uniform(-0.8, 0.8) * CASE_WIDTH / 2, CASE_CENTRE[1] + rng.uniform(-0.8, 0.8) * CASE_WIDTH / 2


def blob(centre: Point, radii: Point, rng: np.random.Generator) -> Region:
    """An irregular patch: an ellipse whose radius wavers with the angle."""
    orders = np.arange(2, 11)
    swing, phase = rng.normal(0, 0.30, orders.size) / orders**0.8, rng.uniform(0, 2 * np.pi, orders.size)

    def distance(grid: Grid) -> Array:
        x, y = (grid.x - centre[0]) / radii[0], (grid.y - centre[1]) / radii[1]
        angle = np.arctan2(y, x)
        rim = 1 + sum(s * np.cos(order * angle + p) for order, s, p in zip(orders, swing, phase, strict=True))
        return np.asarray((np.hypot(x, y) - rim) * min(radii), np.float32)

    return distance


def within_case(region: Region) -> Region:
    """The part of a region that lies on the case."""
    return lambda grid: np.maximum(region(grid), intact_case(grid))


DEFECTS: dict[str, Callable[[Part, float, np.random.Generator], Scene]] = {
    "bent_lead": bent_lead,
    "cut_lead": cut_lead,
    "damaged_case": damaged_case,
    "misplaced": misplaced,
}
