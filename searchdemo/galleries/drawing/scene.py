"""What can be in a picture: things, colours, settings and the rest, and how to draw lots for them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from searchdemo.galleries.drawing import creatures, objects, plants_and_food, vehicles
from searchdemo.galleries.drawing.captions import describe, vary

DRAW = vehicles.DRAW | creatures.DRAW | plants_and_food.DRAW | objects.DRAW  # thing -> how to draw it

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
SETTINGS = ("sea", "forest", "street", "snow", "desert", "meadow", "beach", "sky")
TIMES = ("day", "sunset", "night")
SIZES = ("small", "large")
PLACES = ("left", "middle", "right")

AIRBORNE = frozenset({"balloon", "bird", "butterfly", "kite", "plane", "rocket", "star"})  # hang above the ground


@dataclass(frozen=True)
class Scene:
    """One picture in words: all that its caption may say, and what makes it differ from others with the same words."""

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
        """What the caption says, by name: the exact answer to "is this one right?"."""
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
        """scene.matches(colour="red", thing="boat"): is all of it true? KeyError for other names."""
        mine = self.attributes()
        return all(mine[name] == value for name, value in wanted.items())

    def caption(self) -> str:
        """Everything there is to say: "a small red boat on the sea at night, on the left"."""
        return describe(self.attributes())

    def captions(self, rng: random.Random, count: int = 1) -> list[str]:
        """True sentences in varied words that say less: "a picture of a red boat", "something red in the snow"."""
        return [vary(self.attributes(), rng) for _ in range(count)]


def random_scene(rng: random.Random, thing: str = "", colour: str = "", setting: str = "") -> Scene:
    """A scene by lot; what is given is kept."""
    return Scene(
        thing=thing or rng.choice(THINGS),
        colour=colour or rng.choice(tuple(COLOURS)),
        setting=setting or rng.choice(SETTINGS),
        time=rng.choice(TIMES),
        size=rng.choice(SIZES),
        place=rng.choice(PLACES),
        # Nothing between 4 and 12 degrees: whether a thing leans is never in doubt.
        turn=rng.choice((0, 0, 0, -1, 1)) * rng.randint(12, 18) or rng.randint(-4, 4),
        mirrored=rng.random() < 0.5,
        seed=rng.getrandbits(31),
    )


def sample(seed: int, count: int, copies: int = 1) -> list[Scene]:
    """`count` scenes, the same for the same seed, every thing equally often (to within one).

    copies: so many pictures share thing, colour and setting and differ in the rest; with 6, a query for the three has
    at least 6 right answers. The first 40 such triples of a thing are all different, and they go through the colours
    and the settings in turn, so that all are nearly equally frequent.
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
