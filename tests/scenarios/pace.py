"""How fast the scenarios are, and who takes part in most of them."""

from tests.scenarios.ledger import Pace

INTERVAL, DOWN_TIME = 2.0, 12.0
"""Seconds: the defaults, 10 and 60, five times as fast."""

T, C = DOWN_TIME, 2.5 * INTERVAL
GRACE = 3.0
"""Seconds that a busy machine of two cores may add to anything."""

PACE = Pace(INTERVAL, DOWN_TIME, GRACE)

STAYS, DIES = "stays", "dies"
CREWS = {STAYS: 8, DIES: 4}

LONGEST_GAP = INTERVAL / 2
"""Seconds without a look that are no interruption (rule 3)."""

RECORD_EVERY = 0.4
"""Seconds between two looks at a record, which tell such gaps."""

GRAINS = {"db": RECORD_EVERY, "mc": 1.0}
"""Seconds: memcached's ages are whole."""
