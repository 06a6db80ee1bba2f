"""A test node's own files and flags."""

import json
from pathlib import Path

from tests.localcluster.layout import Layout
from tests.localcluster.nodefiles import BRISK, USUAL, Node, controllers_argv


def test_how_soon_a_silent_node_is_noticed_is_said_to_the_kubelet_and_to_the_controllers() -> None:
    layout = Layout(folder=Path("/plane"), etcd_port=1, apiserver_port=2, name="one")
    for rhythm in (USUAL, BRISK):
        node = Node(folder=Path("/node"), kubeconfig=Path("/kube"), address="192.0.2.1", cgroup="one", rhythm=rhythm)
        kubelet = json.loads(node.files()["kubelet.json"])
        assert kubelet["nodeLeaseDurationSeconds"] == rhythm.lease
        assert kubelet["nodeStatusReportFrequency"] == f"{rhythm.report}s"
        argv = controllers_argv(Path("/controllers"), kubeconfig=Path("/kube"), layout=layout, rhythm=rhythm)
        assert f"--node-monitor-grace-period={rhythm.grace}s" in argv
