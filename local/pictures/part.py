"""The transistor: a moulded case on three leads, each bent outwards and down into its hole.

Coordinates are the board's: the middle lead's hole is the origin, y points down the picture, lengths are in mm.
"""

from dataclasses import dataclass, replace

import numpy as np

from local.pictures.raster import Array, Grid, Pose, Region, trace, union

CASE_WIDTH = 4.66
CASE_TOP, CASE_BOTTOM = -8.58, -3.92
CASE_CENTRE = (0.0, (CASE_TOP + CASE_BOTTOM) / 2)

LEAD_WIDTH = 0.42
JOINT_SWELL = 0.035
TAIL_TAPER = 0.03
STEP = 0.06
"""Distance between the points of a lead's path."""

# Where a lead on the right runs; mirrored for the left one, nearly straight for the middle one.
OUTER_LEAD = ((1.27, -4.2), (1.27, -3.55), (1.50, -3.02), (2.08, -2.46), (2.50, -1.80), (2.54, -1.0), (2.54, -0.12))


@dataclass(frozen=True)
class Lead:
    """One lead: its centre line (points x 2, mm, evenly spaced) from inside the case to its end."""

    path: Array
    joint: tuple[float, float]
    """Where along the path the dam bar was cut away: wider, and bright."""
    seated: bool = True
    """Whether its end goes down a hole; otherwise it lies on the board and one sees where it was cut."""

    @property
    def length(self) -> float:
        """Length in mm."""
        return STEP * (len(self.path) - 1)

    def body(self, grid: Grid) -> Array:
        """Signed distance to the lead, mm."""
        return self.measure(grid)[0]

    def measure(self, grid: Grid) -> tuple[Array, Array, Array]:
        """Signed distance, mm along the lead, and the place across it from -1 to 1."""
        line = trace(grid, self.path, LEAD_WIDTH)
        start, end = self.joint
        swell = JOINT_SWELL * np.clip(np.minimum(line.along - start, end - line.along) / 0.06, 0, 1)
        half = np.float32(LEAD_WIDTH / 2) + swell - np.float32(TAIL_TAPER) * (line.along > end)
        sides = line.distance - half
        distance = np.maximum(sides, line.along - np.float32(self.length))
        return distance.astype(np.float32), line.along, (line.across / half).astype(np.float32)

    def bent(self, hinge: float, angle: float, radius: float = 0.35) -> "Lead":
        """The lead turned by `angle` (radians) from `hinge` mm on, over a length of `radius` mm; out of its hole."""
        moves = np.diff(self.path, axis=0)
        along = STEP * np.arange(len(moves))
        turns = angle * np.clip((along - hinge) / radius, 0, 1)
        cos, sin = np.cos(turns), np.sin(turns)
        turned = np.stack([cos * moves[:, 0] - sin * moves[:, 1], sin * moves[:, 0] + cos * moves[:, 1]], axis=1)
        path = self.path[0] + np.cumsum(np.vstack([(0, 0), turned]), axis=0)
        return replace(self, path=path.astype(np.float32), seated=False)

    def lengthened(self, extra: float) -> "Lead":
        """The lead with `extra` mm more of it in sight, straight on."""
        steps = np.arange(1, round(extra / STEP) + 1)[:, None]
        heading = self.path[-1] - self.path[-2]
        return replace(self, path=np.vstack([self.path, self.path[-1] + steps * heading]).astype(np.float32))

    def cut(self, length: float) -> "Lead":
        """What is left when all beyond `length` mm is cut off."""
        return replace(self, path=self.path[: max(2, round(length / STEP) + 1)], seated=False)

    def beyond(self, length: float) -> Array:
        """The path from `length` mm to the end; at least two points."""
        return self.path[min(round(length / STEP), len(self.path) - 2) :]


@dataclass(frozen=True)
class Damage:
    """A place where the moulding is hurt."""

    region: Region
    """What a person would outline."""
    brightness: float
    """Of the bare moulding compound, from 0 to 1."""
    depth: float = np.inf
    """How far inside the outline, mm, material is gone altogether; infinite for a mark on the surface."""


@dataclass(frozen=True)
class Finish:
    """What differs from one part to the next without being a defect."""

    sheen: tuple[float, float, float]
    """Brightness of the reflections on the left, in the middle and on the right of the case."""
    sheen_shift: float
    """How far to the side the light falls, in half widths of the case."""
    mark: str
    """Raised in the mould: a cavity letter inside a ring."""
    mark_relief: float
    lot_code: tuple[str, ...]
    """Printed lines; none on most parts."""
    print_strength: float
    lead_brightness: float


@dataclass(frozen=True)
class Part:
    """A transistor as it sits on the board."""

    leads: tuple[Lead, ...]
    finish: Finish
    pose: Pose
    damages: tuple[Damage, ...] = ()

    def silhouette(self, grid: Grid) -> Array:
        """Signed distance to the whole part, mm, in the board's coordinates."""
        return union(self.case, *(lead.body for lead in self.leads))(grid.seen_from(self.pose))

    def case(self, grid: Grid) -> Array:
        """Signed distance to what is left of the case, mm, in the part's own coordinates."""
        distance = intact_case(grid)
        for damage in self.damages:
            if np.isfinite(damage.depth):
                distance = np.maximum(distance, -(damage.region(grid) + np.float32(damage.depth)))
        return distance

    def on_board(self, region: Region) -> Region:
        """A region given in the part's own coordinates, in the board's."""
        return lambda grid: region(grid.seen_from(self.pose))

    def with_lead(self, index: int, lead: Lead) -> "Part":
        """The part with another lead in place of one."""
        return replace(self, leads=(*self.leads[:index], lead, *self.leads[index + 1 :]))


def intact_case(grid: Grid) -> Array:
    """Signed distance to an undamaged case, mm: a rectangle that draft makes a little wider at the top."""
    draft = np.float32(0.012) * (grid.y - np.float32(CASE_CENTRE[1]))
    beside = np.abs(grid.x) - np.float32(CASE_WIDTH / 2) + draft
    above = np.abs(grid.y - np.float32(CASE_CENTRE[1])) - np.float32((CASE_BOTTOM - CASE_TOP) / 2)
    corner = np.float32(0.05)
    outside = np.hypot(np.maximum(beside + corner, 0), np.maximum(above + corner, 0))
    return np.asarray(outside + np.minimum(np.maximum(beside, above) + corner, 0) - corner)


def good_part(rng: np.random.Generator) -> Part:
    """A part as it should be: small differences of shape, place and finish, no defect."""
    leads = tuple(good_lead(side, rng) for side in (-1, 0, 1))
    shift = (rng.normal(0, 0.05), float(np.clip(rng.normal(0, 0.10), -0.22, 0.22)))
    turn = np.clip(rng.normal(0, np.radians(0.9)), -np.radians(2), np.radians(2))
    return Part(leads, random_finish(rng), Pose(shift, float(turn), (0.0, 0.0)))


def good_lead(side: int, rng: np.random.Generator) -> Lead:
    """A lead in its hole; `side` is -1, 0 or 1."""
    corners = np.array(OUTER_LEAD) * (side, 1) + rng.normal(0, 0.04, (len(OUTER_LEAD), 2))
    path = evenly(rounded(corners))
    joint = 1.45 + 0.3 * abs(side) + rng.normal(0, 0.04)
    return Lead(path, (joint, joint + rng.uniform(0.45, 0.6)))


def rounded(corners: Array) -> Array:
    """A smooth path through the corners (Catmull-Rom)."""
    padded = np.vstack([2 * corners[0] - corners[1], corners, 2 * corners[-1] - corners[-2]])
    before, start, end, after = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = np.linspace(0, 1, 12, endpoint=False)[:, None]
    curve = start + t / 2 * (
        end - before + t * (2 * before - 5 * start + 4 * end - after + t * (3 * (start - end) + after - before))
    )
    return np.vstack([curve.reshape(-1, 2), corners[-1]])


def evenly(path: Array) -> Array:
    """The same path with a point every STEP mm."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    places = np.arange(0, along[-1], STEP)
    return np.stack([np.interp(places, along, path[:, axis]) for axis in (0, 1)], axis=1).astype(np.float32)


def random_finish(rng: np.random.Generator) -> Finish:
    """Another mould cavity, another lot, another angle of the lamp."""
    letters = "".join(rng.choice(list("ABCDEFHKLNPRSTX"), 2))
    code = (f"{letters}{rng.integers(100, 1000)}", f"{rng.integers(10, 40)} {rng.integers(1, 53):02d}")
    return Finish(
        sheen=(rng.uniform(0, 0.20), rng.uniform(0.02, 0.10), rng.uniform(0.03, 0.28)),
        sheen_shift=rng.normal(0, 0.05),
        mark=str(rng.choice(["T", "1", "I", "L", "2"])),
        mark_relief=rng.uniform(0.3, 1.0),
        lot_code=code[: rng.choice([0, 1, 2], p=[0.6, 0.2, 0.2])],
        print_strength=rng.uniform(0.08, 0.25),
        lead_brightness=rng.uniform(0.85, 1.12),
    )
