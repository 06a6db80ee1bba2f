"""What may fail, done to real parts: stores, operator, API server and agents; and what was said of the members then."""
