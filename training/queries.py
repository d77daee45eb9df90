"""Queries in words with the tiny-ImageNet classes that answer each: written by hand, before any was tried.

Three kinds: other names of a thing, kinds of thing, descriptions in plain words. Of each kind every second one is
for tuning, the others are for reporting. Classes are written by the first WordNet name of each.
"""

from __future__ import annotations

from dataclasses import dataclass

_OTHER_NAMES = """
puma = cougar
mountain lion = cougar
dromedary = Arabian camel
rucksack = backpack
knapsack = backpack
school coach for pupils = school bus
popsicle = ice lolly
lollipop = ice lolly
pail = bucket
skillet = frying pan
fridge = refrigerator
icebox = refrigerator
rickshaw = jinrikisha
ATM = cash machine
cashpoint = cash machine
lighthouse = beacon
station wagon = beach wagon
estate car = beach wagon
limo = limousine
pig = hog
ladybird = ladybug
stick insect = walking stick
praying mantis = mantis
roach = cockroach
chimp = chimpanzee
red panda = lesser panda
nudibranch = sea slug
crayfish = spiny lobster
gator = American alligator
tv remote = remote control
keypad = computer keyboard
candy store = confectionery
soda bottle = pop bottle
missile = projectile
teddy bear = teddy
spider's web = spider web
cobweb = spider web
shades = sunglasses
dark glasses = sunglasses
bathing trunks = swimming trunks
tabby cat = tabby
alsatian = German shepherd
yorkie = Yorkshire terrier
lab puppy = Labrador retriever
buffalo = bison
pipe organ = organ
field glasses = binoculars
bowtie = bow tie
two-piece swimsuit = bikini
public telephone = pay-phone
paddy wagon = police van
removal van = moving van
mushrooms = mushroom
telephone booth = pay-phone
bath = bathtub
rescue boat = lifeboat
ice cream cone = ice cream
handrail = bannister
priest's robe = vestment
seaside = seashore
beach = seashore | lakeside
mountain = alp
race kart = go-kart
racing car = sports car
cabriolet = convertible
"""

_KINDS = """
citrus fruit = orange | lemon
puppy = Chihuahua | Yorkshire terrier | golden retriever | Labrador retriever | German shepherd | standard poodle
dog = Chihuahua | Yorkshire terrier | golden retriever | Labrador retriever | German shepherd | standard poodle
canine = Chihuahua | Yorkshire terrier | golden retriever | Labrador retriever | German shepherd | standard poodle
cat = tabby | Persian cat | Egyptian cat
kitten = tabby | Persian cat | Egyptian cat
big cat = cougar | lion
ape = orangutan | chimpanzee | baboon
monkey = orangutan | chimpanzee | baboon
primate = orangutan | chimpanzee | baboon
insect = ladybug | fly | bee | grasshopper | walking stick | cockroach | mantis | dragonfly | monarch \
| sulphur butterfly
butterfly = monarch | sulphur butterfly
bug = ladybug | fly | bee | grasshopper | walking stick | cockroach | mantis | dragonfly
spider = black widow | tarantula
arachnid = black widow | tarantula | scorpion
bird = goose | black stork | king penguin | albatross
seabird = king penguin | albatross
water bird = goose | black stork | king penguin | albatross
frog = bullfrog | tailed frog
amphibian = European fire salamander | bullfrog | tailed frog
reptile = American alligator | boa constrictor
snake = boa constrictor
fish = goldfish
shellfish = American lobster | spiny lobster
lobster = American lobster | spiny lobster
mollusc = snail | slug | sea slug
marine animal = jellyfish | brain coral | sea slug | sea cucumber | dugong | goldfish | American lobster | spiny lobster
coral = brain coral | coral reef
fruit = orange | lemon | banana | pomegranate
vegetable = cauliflower | bell pepper | mushroom | mashed potato
dessert = ice cream | ice lolly
frozen dessert = ice cream | ice lolly
drink = espresso | pop bottle | beer bottle
hoofed animal = ox | bison | bighorn | gazelle | Arabian camel | hog
cattle = ox | bison
bottle = beer bottle | pill bottle | pop bottle
bridge = steel arch bridge | suspension bridge | viaduct
ball = basketball | rugby ball | volleyball | punching bag
car = beach wagon | convertible | limousine | sports car | police van
van = moving van | police van
bus = school bus | trolleybus
public transport = school bus | trolleybus | bullet train
train = bullet train | freight car
boat = gondola | lifeboat
furniture = desk | dining table | rocking chair | chest
clothes = apron | cardigan | fur coat | kimono | military uniform | miniskirt | poncho | swimming trunks | vestment \
| academic gown | bikini | sock
swimwear = bikini | swimming trunks
hat = sombrero
footwear = sandal | sock
musical instrument = oboe | organ | drumstick
shop = barbershop | butcher shop | confectionery
kitchen utensil = frying pan | wok | wooden spoon | teapot
weapon = cannon | projectile
machine = sewing machine | lawn mower | tractor | cash machine
home appliance = refrigerator | space heater | sewing machine
monument = obelisk | triumphal arch
timepiece = hourglass | stopwatch
gadget for music = iPod | CD player
medical equipment = neck brace | syringe | pill bottle
headgear = sombrero | gasmask
wild pig or farm pig = hog
rodent = guinea pig
bear = brown bear | koala | lesser panda
coast = seashore | cliff | lakeside
"""

_DESCRIPTIONS = """
a yellow bus full of children = school bus
yellow fruit that monkeys peel = banana
sour yellow fruit = lemon
a round orange fruit = orange
a small orange fish in a bowl = goldfish
a big grey animal with a trunk and tusks = African elephant
a spider with a red mark on its belly = black widow
a large hairy spider = tarantula
red beetle with black spots = ladybug
an insect that makes honey = bee
orange and black butterfly = monarch
a black and white bird that swims and cannot fly = king penguin
a grey bear that lives in eucalyptus trees = koala
the king of beasts with a mane = lion
a desert animal with a hump = Arabian camel
an ape with long red hair = orangutan
a slow creature with a spiral shell = snail
a transparent animal drifting in the sea with tentacles = jellyfish
an animal with pincers and a sting in its tail = scorpion
a bug with very many legs = centipede
a long snake that squeezes its prey = boa constrictor
a large toothy reptile in a swamp = American alligator
wooly sheep with big curved horns on a mountain = bighorn
a fossil from the ancient sea = trilobite
italian flat bread with cheese and tomato = pizza
a green avocado dip = guacamole
small cup of strong coffee = espresso
a twisted salty baked snack = pretzel
white vegetable like a head of flowers = cauliflower
a red fruit full of seeds = pomegranate
the nut of an oak tree = acorn
chocolate or vanilla scoops in a cone = ice cream
a pot for making tea = teapot
a round chinese pan = wok
big mexican hat with a wide brim = sombrero
traditional japanese robe = kimono
a very short skirt = miniskirt
shoes with straps for the summer = sandal
glasses that protect eyes from the sun = sunglasses
a thing that keeps the rain off = umbrella
glass with sand that measures time = hourglass
a tall tower with a light that warns ships = beacon
boat in the canals of Venice = gondola
a farm machine that pulls a plough = tractor
a machine that cuts grass = lawn mower
a very fast train = bullet train
long luxury car = limousine
open car without a roof = convertible
a long bridge hanging from cables = suspension bridge
steps of stone arches carrying a railway = viaduct
a big container on legs that stores water for a town = water tower
machine that gives you money = cash machine
a coin operated meter for parked cars = parking meter
mask against poison gas = gasmask
a tube for breathing under water = snorkel
a needle for injections = syringe
a stick with flame at the top = torch
wax with a wick that gives light = candle
chair that swings back and forth = rocking chair
a place where men get their hair cut = barbershop
a shop that sells meat = butcher shop
farm building for hay and animals = barn
a roof made of straw = thatch
water spraying up in a park = fountain
a wall across a river that holds back water = dam
snowy mountain peak = alp
waves and sand by the ocean = seashore
colourful fish around rocks under the sea = coral reef | brain coral
a bag carried on the back = backpack
heavy weights for lifting at the gym = dumbbell
a house for birds in the garden = birdhouse
white fence in front of a house = picket fence
a table where a family eats dinner = dining table
old machine for stitching cloth = sewing machine
small rodent kept as a pet = guinea pig
fluffy cat with a flat face = Persian cat
tiny dog with big ears = Chihuahua
police dog = German shepherd
"""


@dataclass(frozen=True)
class Query:
    text: str
    kind: str  # "other names" | "kinds" | "descriptions"
    answers: tuple[str, ...]  # first WordNet names of the classes
    half: str  # "tune" | "report"


def _read(kind: str, lines: str) -> list[Query]:
    pairs = [line.split(" = ") for line in lines.strip().splitlines()]
    return [
        Query(text, kind, tuple(answers.split(" | ")), ("tune", "report")[number % 2])
        for number, (text, answers) in enumerate(pairs)
    ]


QUERIES = (
    *_read("other names", _OTHER_NAMES),
    *_read("kinds", _KINDS),
    *_read("descriptions", _DESCRIPTIONS),
)
