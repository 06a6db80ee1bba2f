"""When the API server is told (design, section 5): at once, then at most once a second a group; the time once a minute.

The clock is ours and stands still until a test moves it; the API server is a coroutine.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from servicegroup.model import GroupKey
from servicegroup.operator.cluster import ClusterUnavailable, StatusRefused
from servicegroup.operator.status import timestamp
from servicegroup.operator.writer import Address, Writer

KEY: Address = (GroupKey("nova", "compute"), "uid-1")
WALL = 1_800_000_000.0
SOON = 5.0


def status(up: int, *, checked: float = 0.0) -> dict[str, Any]:
    return {"counts": {"up": up}, "checkedTime": timestamp(WALL + checked)}


@dataclass
class ApiServer:
    """Takes statuses, or fails as it is told to; whoever is in `slow` waits for its event."""

    now: float = 100.0
    error: Exception | None = None
    tried: list[tuple[float, Address, int]] = field(default_factory=list)
    taken: list[tuple[Address, Mapping[str, Any]]] = field(default_factory=list)
    slow: dict[Address, asyncio.Event] = field(default_factory=dict)

    async def write(self, key: Address, status: Mapping[str, Any]) -> None:
        self.tried.append((self.now, key, status["counts"]["up"]))
        if key in self.slow:
            await self.slow[key].wait()
        if self.error is not None:
            raise self.error
        self.taken.append((key, status))

    def clock(self) -> float:
        return self.now

    @property
    def ups(self) -> list[int]:
        return [status["counts"]["up"] for _, status in self.taken]


async def turns() -> None:
    """Let everything that can go on go on; no time passes."""
    for _ in range(50):
        await asyncio.sleep(0)


Story = Callable[[ApiServer, Writer], Awaitable[None]]


def played(story: Story) -> ApiServer:
    async def play() -> ApiServer:
        server = ApiServer()
        writer = Writer(server.write, clock=server.clock)
        running = asyncio.create_task(writer.run())
        await turns()
        await asyncio.wait_for(story(server, writer), SOON)
        assert not running.done(), "the writer ended"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return server

    return asyncio.run(play())


async def offered(writer: Writer, up: int, *, key: Address = KEY, checked: float = 0.0) -> None:
    writer.offer(key, status(up, checked=checked), first={})
    await turns()


def test_a_status_is_written_at_once_and_not_again_while_nothing_changes() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        for second in range(50):
            server.now += 1
            await offered(writer, 1, checked=second)
        assert server.ups == [1]

    played(story)


def test_a_status_that_is_as_the_api_server_has_it_is_not_written() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        writer.offer(KEY, status(1, checked=30), first=status(1))
        await turns()
        assert server.tried == []

    played(story)


def test_a_group_that_changes_with_each_pass_is_written_at_most_once_a_second_and_the_newest_wins() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        for tenth in range(31):
            server.now = 100 + tenth / 10
            await offered(writer, tenth)
        assert [time for time, _, _ in server.tried] == [100, 101, 102, 103]
        assert server.ups == [0, 10, 20, 30]

    played(story)


def test_the_last_of_quick_changes_is_written_without_another_one() -> None:
    """With the real clock: nobody rings once nothing changes any more."""

    async def play() -> list[int]:
        server, last = ApiServer(), asyncio.Event()

        async def write(key: Address, status: Mapping[str, Any]) -> None:
            await server.write(key, status)
            if status["counts"]["up"] == 3:
                last.set()

        writer = Writer(write)
        running = asyncio.create_task(writer.run())
        for up in (1, 2, 3):
            await offered(writer, up)
        await asyncio.wait_for(last.wait(), SOON)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return server.ups

    assert asyncio.run(play()) == [1, 3]


def test_groups_do_not_wait_for_each_others_second() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        others: list[Address] = [(GroupKey("nova", f"group-{number}"), "uid") for number in range(20)]
        for key in others:
            await offered(writer, 1, key=key)
        assert [key for key, _ in server.taken] == others

    played(story)


def test_the_time_of_the_check_alone_is_written_once_a_minute() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        for second in range(180):
            server.now += 1
            await offered(writer, 1, checked=second)
        assert [status["checkedTime"] for _, status in server.taken] == [
            timestamp(WALL + minute) for minute in (0, 60, 120)
        ]

    played(story)


def test_a_change_carries_the_time_of_the_check_and_the_minute_begins_anew() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        for second in range(100):
            server.now += 1
            await offered(writer, 1 if second < 50 else 2, checked=second)
        assert [status["checkedTime"] for _, status in server.taken] == [timestamp(WALL), timestamp(WALL + 50)]

    played(story)


def test_while_the_api_server_is_away_writes_back_off_and_then_the_newest_alone_is_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        server.error = ClusterUnavailable("the API server is not reached")
        for half in range(80):
            server.now = 100 + half / 2
            await offered(writer, half)
        assert [time for time, _, _ in server.tried] == [100, 101, 103, 108, 118, 128, 138]

        server.error = None
        server.now = 148
        await offered(writer, 1000)
        assert server.ups == [1000]

    played(story)
    waits = [record for record in caplog.records if "its status waits" in record.getMessage()]
    assert len(waits) == 1


def test_after_an_outage_the_pauses_begin_anew() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        for start in (100, 200):
            server.error = ClusterUnavailable("away")
            for second in (0, 1, 3):
                server.now = start + second
                await offered(writer, start + second)
            server.error = None
            server.now = start + 50
            await offered(writer, start)
        assert [time for time, _, _ in server.tried] == [100, 101, 103, 150, 200, 201, 203, 250]

    played(story)


def test_a_status_that_is_refused_is_not_written_again_until_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        server.error = StatusRefused("422")
        for second in range(50):
            server.now += 1
            await offered(writer, 1, checked=second)
        assert len(server.tried) == 1

        server.error = None
        server.now += 20
        await offered(writer, 2)
        assert server.ups == [2]

    played(story)
    assert len([record for record in caplog.records if "is refused" in record.getMessage()]) == 1


def test_what_is_offered_during_a_write_is_written_after_it_and_the_newest_wins() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        server.slow[KEY] = asyncio.Event()
        for up in (1, 2, 3):
            await offered(writer, up)
        assert [up for _, _, up in server.tried] == [1]
        server.slow[KEY].set()
        await turns()
        server.now += 1
        await offered(writer, 3)
        assert server.ups == [1, 3]

    played(story)


def test_a_write_that_hangs_keeps_no_other_group_waiting() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        other = (GroupKey("nova", "edge"), "uid-2")
        server.slow[KEY] = asyncio.Event()
        await offered(writer, 1)
        await offered(writer, 7, key=other)
        assert server.ups == [7]
        server.slow[KEY].set()
        await turns()
        assert server.ups == [7, 1]

    played(story)


def test_a_group_that_is_deleted_while_its_write_waits_is_not_written_and_harms_nobody() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        keys: list[Address] = [(GroupKey("nova", f"group-{number}"), "uid") for number in range(12)]
        for key in keys:
            server.slow[key] = asyncio.Event()
            await offered(writer, 1, key=key)
        begun = {key for _, key, _ in server.tried}
        assert begun < set(keys), "all of them were written at once"
        for key in keys[:11]:
            writer.forget(key)
        for event in server.slow.values():
            event.set()
        await turns()
        assert {key for _, key, _ in server.tried} == {*begun, keys[11]}

    played(story)


def test_a_group_that_was_deleted_and_made_again_is_written_anew() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        again = (KEY[0], "uid-2")
        await offered(writer, 1)
        await offered(writer, 1, key=again)
        writer.forget(KEY)
        assert [key for key, _ in server.taken] == [KEY, again]
        assert writer.latest(KEY, {"fresh": True}) == {"fresh": True}
        assert writer.latest(again, {}) == status(1)

    played(story)


def test_the_status_that_the_next_one_follows_is_the_newest_offered_though_it_waits() -> None:
    async def story(server: ApiServer, writer: Writer) -> None:
        server.error = ClusterUnavailable("away")
        await offered(writer, 1)
        await offered(writer, 2)
        assert writer.latest(KEY, {}) == status(2)

    played(story)
