"""Everyday things that a picture may show, in plain words: what a gallery is asked for when its answers are calibrated.

Written by hand for this project, for no gallery in particular.
"""

_ANIMALS = """
dog, cat, horse, cow, sheep, goat, pig, donkey, rabbit, mouse, squirrel, hedgehog, fox, wolf, bear, panda, lion,
tiger, leopard, elephant, giraffe, zebra, rhinoceros, hippopotamus, camel, deer, kangaroo, koala, monkey, gorilla,
bat, whale, dolphin, seal, otter, eagle, owl, pigeon, crow, parrot, peacock, swan, duck, goose, chicken, ostrich,
penguin, flamingo, stork, crocodile, lizard, snake, turtle, frog, salamander, shark, goldfish, trout, eel, octopus,
jellyfish, crab, lobster, snail, spider, scorpion, bee, ant, beetle, butterfly, dragonfly, grasshopper, mosquito,
worm, starfish, coral
"""
_FOOD = """
bread, cake, pizza, hamburger, sandwich, soup, salad, pasta, rice, sushi, cheese, egg, sausage, steak, ice cream,
chocolate, cookie, pancake, apple, banana, orange, lemon, grapes, strawberry, cherry, peach, pineapple, watermelon,
pomegranate, coconut, tomato, potato, carrot, onion, garlic, cabbage, broccoli, mushroom, corn, pumpkin, cucumber,
pepper, coffee, tea, beer, wine, milk, juice
"""
_THINGS = """
chair, table, sofa, bed, lamp, mirror, bookshelf, desk, clock, candle, vase, curtain, carpet, pillow, door, window,
stairs, key, lock, scissors, hammer, saw, screwdriver, drill, ladder, bucket, broom, rope, knife, fork, spoon, plate,
cup, bottle, pan, teapot, oven, refrigerator, washing machine, toaster, iron, sewing machine, umbrella, backpack,
suitcase, handbag, wallet, basket, box, barrel, book, newspaper, pencil, paintbrush, envelope, globe, map, flag, coin,
telephone, computer, keyboard, laptop, television, radio, camera, microphone, headphones, loudspeaker, printer,
calculator, telescope, microscope, thermometer, syringe, stethoscope, wheelchair, crutch, guitar, violin, piano,
trumpet, drum, flute, harp, accordion, saxophone, ball, football, tennis racket, skateboard, skis, surfboard,
dumbbell, boxing glove, chess board, dice, playing cards, doll, teddy bear, kite, balloon, sword, shield, bow and
arrow, cannon, rifle, helmet, crown, ring, necklace, watch, glasses, hat, scarf, glove, shirt, dress, trousers, coat,
shoe, boot, sock, tie, swimsuit
"""
_OUTDOORS = """
car, bus, truck, van, tractor, motorcycle, bicycle, tram, train, airplane, helicopter, hot air balloon, rocket, boat,
sailing ship, canoe, submarine, ambulance, fire engine, traffic light, road sign, bridge, tunnel, lighthouse, castle,
church, mosque, skyscraper, house, barn, windmill, factory, tent, fence, fountain, statue, bench, mailbox, street
lamp, playground, swimming pool, stadium, gas station, railway station, airport, harbour, market, library, kitchen,
bathroom, bedroom, office, classroom, hospital, restaurant, tree, palm tree, flower, rose, tulip, sunflower, cactus,
grass, forest, mountain, volcano, desert, beach, waterfall, river, lake, cave, glacier, snow, rain, lightning,
rainbow, cloud, sunset, moon, star, fire, smoke, baby, child, woman, man, crowd, dancer, soldier, firefighter, doctor,
cook, bride, swimmer, skier
"""
VOCABULARY = tuple(
    " ".join(word.split()) for part in (_ANIMALS, _FOOD, _THINGS, _OUTDOORS) for word in part.split(",") if word.strip()
)
