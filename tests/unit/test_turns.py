"""Who asks much waits behind itself, and nobody else behind it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from servicegroup.gateway.refusals import Refused
from servicegroup.gateway.turns import Turns

OF_ONE, WAITING = 2, 4


class Work:
    """Pieces of work that end when they are told to."""

    def __init__(self, turns: Turns) -> None:
        self.begun: list[str] = []
        self._turns = turns
        self._end = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, subject: str, *, times: int) -> None:
        for _ in range(times):
            self._tasks.append(asyncio.create_task(self._one(subject)))
            await settled()

    async def _one(self, subject: str) -> None:
        async with self._turns.of(subject):
            self.begun.append(subject)
            await self._end.wait()

    async def end(self) -> list[BaseException | None]:
        self._end.set()
        return await asyncio.gather(*self._tasks, return_exceptions=True)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def played(at_once: int, story: Callable[[Work], Awaitable[None]]) -> None:
    async def play() -> None:
        await story(Work(Turns("pieces", at_once, OF_ONE, WAITING)))

    asyncio.run(play())


def test_one_subject_has_so_many_turns_and_another_does_not_wait_for_it() -> None:
    async def story(work: Work) -> None:
        await work.come("much", times=WAITING)
        await work.come("other", times=1)
        assert work.begun == ["much"] * OF_ONE + ["other"]
        assert await work.end() == [None] * (WAITING + 1)

    played(3, story)


def test_all_together_have_so_many() -> None:
    async def story(work: Work) -> None:
        for number in range(5):
            await work.come(f"{number}", times=1)
        assert work.begun == ["0", "1", "2"]
        assert await work.end() == [None] * 5

    played(3, story)


def test_who_finds_the_line_full_is_sent_away_until_there_is_room() -> None:
    async def story(work: Work) -> None:
        await work.come("much", times=WAITING + 1)
        *served, refused = await work.end()
        assert served == [None] * WAITING
        assert isinstance(refused, Refused)
        assert (refused.status, refused.again) == (429, True)
        await work.come("much", times=1)
        assert work.begun == ["much"] * (WAITING + 1)
        await work.end()

    played(100, story)


def test_who_gives_up_waiting_leaves_its_place() -> None:
    async def story(work: Work) -> None:
        await work.come("much", times=WAITING)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await settled()
        await work.come("much", times=WAITING)
        assert work.begun == ["much"] * 2 * OF_ONE
        ended = await work.end()
        with pytest.raises(asyncio.CancelledError):
            raise ended[0] or AssertionError
        assert ended[WAITING:] == [None] * WAITING

    played(100, story)
