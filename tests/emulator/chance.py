"""What a fuzz run sends, drawn from a seed: requests, manifest lines and files that are nearly right."""

import base64
import json
import math
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

# Text that is hard to keep: half a character, which only JSON can name, controls, right to left, emoji, quotes.
AWKWARD = ("", "\ud800", "a\udfffb", "\x00", "\u202e", "\U0001f984", "'\"<>&", "../../x", "%s{}", "x" * 300)
NUMBERS = (0, -1, 1, 5, 100, 101, 2**31, 2**63, 10**30, 0.5, -0.0, math.inf, math.nan, 1e-320)


class Chance(Random):
    """Random choices that look like a shape of the service model, or like what they are made from."""

    def word(self) -> str:
        """A word as people would write it, or one that nobody would."""
        plain = "".join(self.choices("abz019-_. /", k=self.randrange(1, 20)))
        token = base64.b64encode(str(self.choice(NUMBERS)).encode()).decode()
        return self.choice([plain, plain, token, self.choice(AWKWARD), chr(self.randrange(0x250))])

    def junk(self, depth: int = 2) -> Any:
        """Any JSON value."""
        plain = [None, True, False, self.choice(NUMBERS), self.word()]
        if depth:
            several = self.randrange(3)
            plain += [[self.junk(depth - 1) for _ in range(several)]]
            plain += [{self.word(): self.junk(depth - 1) for _ in range(several)}]
        return self.choice(plain)

    def value(self, shape: Any, known: Mapping[str, str]) -> Any:
        """A value of a shape, now and then of none; `known` are things that exist, by their shape."""
        if self.random() < 0.04:
            return self.junk()
        match shape.type_name:
            case "structure":
                return self._structure(shape, known)
            case "list":
                return [self.value(shape.member, known) for _ in range(self.randrange(1, 3))]
            case "map":
                return {self.word(): self.value(shape.value, known) for _ in range(self.randrange(3))}
            case "blob":
                return base64.b64encode(self.randbytes(self.randrange(40))).decode()
            case "boolean":
                return self.random() < 0.5
            case "string":
                return self._string(shape, known)
            case _:
                return self.choice(NUMBERS)

    def _structure(self, shape: Any, known: Mapping[str, str]) -> dict[str, Any]:
        # Of what is optional a little, for one wrong member hides what others would do.
        required = shape.metadata.get("required", [])
        optional = sorted(shape.members.keys() - set(required))
        names = [*required, *self.sample(optional, min(len(optional), self.randrange(3)))]
        return {name: self.value(shape.members[name], known) for name in names}

    def _string(self, shape: Any, known: Mapping[str, str]) -> str:
        if "enum" in shape.metadata:
            return str(self.choice(shape.metadata["enum"]))
        if shape.name in known:
            return known[shape.name] if self.random() < 0.9 else self.choice(list(known.values()))
        return self.word()

    def mutated(self, data: bytes) -> bytes:
        """The data with a few bytes changed, lost or added."""
        for _ in range(self.randrange(1, 6)):
            place = self.randrange(len(data) + 1)
            data = data[:place] + self.randbytes(self.randrange(8)) + data[place + self.randrange(8) :]
        return data

    def changed(self, document: Mapping[str, Any]) -> Any:
        """A JSON document with something in it replaced, renamed or lost."""
        changed = json.loads(json.dumps(document))
        for _ in range(self.randrange(1, 3)):
            holder, key = self.choice(list(places(changed)) or [({"": ""}, "")])
            what: Callable[[], Any] = self.choice([self.junk, self.word])
            if self.random() < 0.2 and isinstance(holder, dict):
                holder.pop(key, None)
                holder[self.word()] = what()
            elif self.random() < 0.4 and isinstance(holder[key], str):
                holder[key] += self.choice(AWKWARD)
            else:
                holder[key] = what()
        return changed


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON document: what holds it, and its key or index there."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(entries):
        yield value, key
        yield from places(inner)
