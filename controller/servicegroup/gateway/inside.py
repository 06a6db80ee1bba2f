"""The gateway in the operator's process: it serves the very stores that are judged, those without a server too.

It has a thread and an event loop of its own: kopf, on its way out, cancels every task that is not its own, and who
waits for an answer is to have it; and a crowd of agents must not look to the operator as if its machine stood still.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from servicegroup.gateway import serve
from servicegroup.gateway.apiserver import ApiServer
from servicegroup.gateway.groups import Watched
from servicegroup.operator import cluster
from servicegroup.operator.groups import Groups
from servicegroup.operator.run import Beside
from servicegroup.operator.stores import SharedStore

Running = tuple[asyncio.AbstractEventLoop, "asyncio.Task[Any] | None"]


def beside(configuration: serve.Configuration) -> Beside:
    """What the operator starts beside its own work."""

    async def start(groups: Groups, stores: Mapping[str, SharedStore]) -> None:
        async def work() -> None:
            api = ApiServer(await cluster.api_client())
            opened = {name: store.open for name, store in stores.items()}
            try:
                await serve.run(configuration, api, Watched(groups), opened)
            finally:
                await api.close()

        await _in_thread(work)

    return start


async def _in_thread(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Until it ends, by itself or because this is cancelled; what it raises is raised here."""
    begun: Future[Running] = Future()

    async def main() -> None:
        begun.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        with suppress(asyncio.CancelledError):
            await work()

    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gateway")
    running = asyncio.get_running_loop().run_in_executor(executor, lambda: asyncio.run(main()))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        loop, task = await asyncio.wrap_future(begun)
        with suppress(RuntimeError):  # it has ended by itself, and its loop is closed
            loop.call_soon_threadsafe(task.cancel if task is not None else loop.stop)
        await asyncio.wait({running})
        raise
    finally:
        executor.shutdown(wait=False)
