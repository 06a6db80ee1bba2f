"""`servicegroup` with one rule taken out: silence is no death. The demo must fail with it.

A program of its own, so that the product holds no such switch.
"""

import sys
from dataclasses import replace

from servicegroup import evaluation
from servicegroup.__main__ import main
from servicegroup.liveness import Judgement, Moment, judge
from servicegroup.model import Policy, Reason, Verdict
from servicegroup.observation import Observation, Watch
from servicegroup.pods import NO_POD, Service


def deaf(
    before: Judgement | None,
    seen: Observation | None,
    *,
    policy: Policy,
    watch: Watch,
    moment: Moment,
    service: Service | None = NO_POD,
) -> Judgement | None:
    said = judge(before, seen, policy=policy, watch=watch, moment=moment, service=service)
    if said is None or said.reason is not Reason.SILENT:
        return said
    return replace(said, verdict=Verdict.UP, reason=Reason.BEATING)


if __name__ == "__main__":
    vars(evaluation)["judge"] = deaf
    sys.exit(main())
