"""The gateway as a process of its own, of which any number may run beside each other when the store is a server."""

import asyncio
import signal
from collections.abc import Mapping

from servicegroup.gateway import serve
from servicegroup.gateway.apiserver import ApiServer
from servicegroup.gateway.groups import Listed
from servicegroup.operator import cluster
from servicegroup.operator.stores import SharedStore


async def run(
    configuration: serve.Configuration, stores: Mapping[str, SharedStore], *, namespaces: tuple[str, ...]
) -> None:
    """Until SIGTERM or SIGINT. Raises InvalidSetting, and whatever ended a task."""
    api = ApiServer(await cluster.api_client())
    groups = Listed(api, namespaces)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            opened = {name: store.open for name, store in stores.items()}
            work = (serve.run(configuration, api, groups, opened), groups.run())
            ours = [tasks.create_task(one) for one in work]
            await ended.wait()
            for task in ours:
                task.cancel()
    finally:
        await api.close()
        for store in stores.values():
            store.close()
