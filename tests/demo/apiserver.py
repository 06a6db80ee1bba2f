"""Act 2's surroundings: a control plane with our resource in it, and `kubectl` that talks to it.

Separate because it holds the resources: they end with the `with` block, or stay where they are to be kept.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.demo import kept
from tests.demo.agents import environment
from tests.demo.commands import Commands
from tests.demo.stage import Stage
from tests.localcluster import ControlPlane


@dataclass(frozen=True, slots=True)
class ApiServer:
    """`environ` is what a program needs to find it."""

    commands: Commands
    program: Path
    kubeconfig: Path
    environ: Mapping[str, str]

    def kubectl(self, *arguments: str | Path) -> int:
        """The exit code."""
        return self.commands.run([self.program, *arguments])

    def require(self, *arguments: str | Path) -> None:
        """Raises ActEnded when kubectl fails."""
        self.commands.require([self.program, *arguments])

    def servicegroup(self, *arguments: str) -> int:
        """The exit code of our own command line."""
        return self.commands.run([Path(sys.executable).with_name("servicegroup"), *arguments])

    def watch(self, *arguments: str, shown: bool) -> Path:
        return self.commands.watch([self.program, *arguments], shown=shown)


@contextmanager
def started(programs: Mapping[str, Path], *, folder: Path, stage: Stage, keep: bool, url: str) -> Iterator[ApiServer]:
    """`url` is of the store, for our own command line.

    Raises LocalClusterError, also when the server ends by itself before the block does.
    """
    with ControlPlane.start(programs, folder=folder / kept.CONTROL_PLANE, keep=keep) as plane:
        stage.polls.append(plane.require_running)
        environ = environment(KUBECONFIG=str(plane.kubeconfig()))
        # kubectl caches under HOME what it learns about a server.
        typed = environ | {"HOME": str(folder), "SERVICEGROUP_STORE_URL": url}
        commands = Commands(stage=stage, folder=folder, environ=typed)
        try:
            with closing(commands):
                yield ApiServer(commands, programs["kubectl"], plane.kubeconfig(), environ)
        except BaseException:
            plane.stop()
            raise
