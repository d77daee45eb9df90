"""What the page keeps of each call: its resident memory after many calls, against that after a few."""

from __future__ import annotations

import threading
from collections.abc import Callable

from searchdemo.bench.hold.load import CLICK, TEXT, Asker

VISITORS = 4
EVERY = 10  # one call in so many is a click on the page, by a session that nobody has seen before


def called(port: int, calls: int, seed: int, subject: tuple[str, str], tell: Callable[[int], None]) -> list[str]:
    """So many calls by VISITORS at once, none with a pause. The errors. tell: gets the calls so far, now and then."""
    errors: list[str] = []
    share = calls // VISITORS

    def ask(number: int) -> None:
        for turn in range(share):
            if turn % EVERY == 0:
                asker = Asker(CLICK if turn else TEXT, port, seed + number * calls + turn, subject)
            elif turn % EVERY == 1:
                asker = Asker(TEXT, port, seed + number * calls + turn, subject)
            try:
                asker.ask()
            except Exception as error:  # whatever it is, it is an error of the page
                errors.append(f"{type(error).__name__}: {error}")
            if number == 0 and turn % 50 == 0:
                tell(turn * VISITORS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(VISITORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
