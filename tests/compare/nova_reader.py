"""Run by Python of Nova's own environment: each second it asks `service_is_up` of every service, until SIGTERM.

`nova_reader CONF SUFFIX EVERY`; on standard output goes a line of JSON for each round of questions: when it began and
ended by the monotonic clock, which all processes of a machine share, and what was said of each node.
"""

import json
import sys
import time

from nova import monkey_patch

monkey_patch.patch(backend="threading")

from nova import config, context, objects, servicegroup


def main(conf: str, suffix: str, every: float) -> None:
    config.parse_args(["nova-reader", "--config-file", conf])
    objects.register_all()
    groups = servicegroup.API()
    while True:
        began, said = time.monotonic(), {}
        try:
            # As the scheduler's host manager lists them.
            services = objects.ServiceList.get_by_binary(
                context.get_admin_context(), "nova-compute", include_disabled=True
            )
            for one in services:
                said[one.host.removesuffix(suffix)] = ["up" if groups.service_is_up(one) else "down", ""]
        except Exception as error:  # noqa: BLE001 - whoever asked has no answer, and that is an observation
            print(f"no answer: {error!r}", file=sys.stderr, flush=True)
        ended = time.monotonic()
        print(json.dumps({"began": began, "ended": ended, "said": said}), flush=True)
        time.sleep(max(0.0, every - (ended - began)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
