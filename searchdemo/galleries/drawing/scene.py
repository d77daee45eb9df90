"""The content of a picture: its thing, colour, setting and the rest, and random choices of them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from searchdemo.galleries.drawing import creatures, objects, plants_and_food, vehicles
from searchdemo.galleries.drawing.captions import PLACE, WHEN, WHERE, describe, vary

DRAW = {  # thing -> how to draw it
    draw.__name__.replace("_", " "): draw
    for draw in (*vehicles.DRAWN, *creatures.DRAWN, *plants_and_food.DRAWN, *objects.DRAWN)
}

THINGS = tuple(sorted(DRAW))
COLOURS = {
    "red": (222, 44, 48),
    "orange": (246, 132, 28),
    "yellow": (250, 212, 44),
    "green": (54, 166, 72),
    "blue": (42, 104, 224),
    "purple": (136, 62, 190),
    "pink": (246, 140, 186),
    "brown": (126, 80, 48),
    "white": (246, 246, 244),
    "black": (40, 38, 46),
}
SETTINGS, TIMES, PLACES = tuple(WHERE), tuple(WHEN), tuple(PLACE)
SIZES = ("small", "large")

AIRBORNE = frozenset({"balloon", "bird", "butterfly", "kite", "plane", "rocket", "star"})  # these hang in the air


@dataclass(frozen=True)
class Scene:
    """One picture in words: the attributes in its caption, and the details that set it apart from others like it."""

    thing: str
    colour: str
    setting: str
    time: str = "day"
    size: str = "large"
    place: str = "middle"
    turn: int = 0  # degrees, clockwise; see lean
    mirrored: bool = False
    seed: int = 0  # of the background, and of small shifts of place, size and colour

    @property
    def lean(self) -> str:
        """The turn as a person would say it."""
        return "upright" if abs(self.turn) < 10 else "right" if self.turn > 0 else "left"

    def attributes(self) -> dict[str, str]:
        """The attributes in the caption, by name."""
        return {
            "size": self.size,
            "colour": self.colour,
            "thing": self.thing,
            "setting": self.setting,
            "time": self.time,
            "place": self.place,
            "lean": self.lean,
        }

    def matches(self, **wanted: str) -> bool:
        """Whether all of it is true: scene.matches(colour="red", thing="boat"). Raises KeyError for other names."""
        mine = self.attributes()
        return all(mine[name] == value for name, value in wanted.items())

    def caption(self) -> str:
        """A sentence with all attributes: "a small red boat on the sea at night, on the left"."""
        return describe(self.attributes())

    def varied_caption(self, rng: random.Random) -> tuple[str, set[str]]:
        """A true sentence that says less, "something red in the snow", and the names of the attributes it tells."""
        return vary(self.attributes(), rng)


def random_scene(rng: random.Random, thing: str = "", colour: str = "", setting: str = "") -> Scene:
    """A random scene. Attributes that are given stay."""
    return Scene(
        thing=thing or rng.choice(THINGS),
        colour=colour or rng.choice(tuple(COLOURS)),
        setting=setting or rng.choice(SETTINGS),
        time=rng.choice(TIMES),
        size=rng.choice(SIZES),
        place=rng.choice(PLACES),
        # No turn lies between 4 and 12 degrees, so it is clear whether a thing leans.
        turn=rng.choice((0, 0, 0, -1, 1)) * rng.randint(12, 18) or rng.randint(-4, 4),
        mirrored=rng.random() < 0.5,
        seed=rng.getrandbits(31),
    )


def sample(seed: int, count: int, copies: int = 1) -> list[Scene]:
    """`count` scenes, the same for the same seed, with every thing equally often (to within one).

    copies: so many pictures share thing, colour and setting and differ in the rest. With 6, a query for the three has
    at least 6 right answers. The first 40 such triples of a thing are all different. They take the colours and the
    settings in turn, so all of these are nearly equally frequent.
    """
    rng = random.Random(seed)
    orders = {
        thing: (rng.sample(tuple(COLOURS), len(COLOURS)), rng.sample(SETTINGS, len(SETTINGS))) for thing in THINGS
    }
    scenes = []
    for number in range(count):
        turn, which = divmod(number, len(THINGS))
        thing = THINGS[which]
        colours, settings = orders[thing]
        triple = turn // copies
        scenes.append(random_scene(rng, thing, colours[triple % len(colours)], settings[triple % len(settings)]))
    rng.shuffle(scenes)
    return scenes
