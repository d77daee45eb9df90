"""Where workers fetch blocks of pictures: an actor of Ray, beside the driver. See ray_workers.py."""

from __future__ import annotations

import asyncio

NO_BLOCK = -1


class Desk:
    def __init__(self) -> None:
        self._blocks: asyncio.Queue = asyncio.Queue()
        self._taken: dict[int, asyncio.Future] = {}

    async def offer(self, number: int, pictures: list) -> None:
        """pictures: a reference to them, in a list, so that they stay where they are."""
        self._blocks.put_nowait((number, pictures))

    async def take(self, ticket: int) -> tuple[int, list]:
        """The next block; for a ticket that comes again, because its worker was killed, the same one."""
        if ticket not in self._taken:
            self._taken[ticket] = asyncio.ensure_future(self._blocks.get())
        return await asyncio.shield(self._taken[ticket])  # who asks may be killed, the ticket stays

    async def back(self, ticket: int) -> None:
        """Its vectors have come. A worker that is killed right after it sent them comes once more, for nothing."""
        self._taken[ticket] = done = asyncio.get_running_loop().create_future()
        done.set_result((NO_BLOCK, []))
