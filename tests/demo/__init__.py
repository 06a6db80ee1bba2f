"""`make demo`: the project at work in two acts, each step of which is judged; nothing here is part of the product.

`__main__` reads the environment and prints the last line, `steps` is the table of what is judged, `act1` and `act2` do
it. The rest is what both stand on: processes, what they left as evidence, what is judged from it, the screen.
"""

import time

BEGUN = time.monotonic()
"""Second 0: a package is loaded before all that its modules load."""
