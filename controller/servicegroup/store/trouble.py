"""What a database's error means: an exception comes in, a sentence without statement or secret goes out.

Codes are SQLSTATEs of PostgreSQL and numbers of MariaDB and MySQL. SQLite's errors have none, and speak for themselves.
"""

PASSING = frozenset({"40001", "40P01", "1213", "1205"})
"""Two writers in each other's way: to try the whole transaction again is the answer (stores notes 5.3)."""

ADVICE = {
    code: advice
    for codes, advice in (
        (
            ("42P01", "42703", "1146", "1054"),
            "its tables are missing or of an earlier version: run `servicegroup store init --store-url ...` once",
        ),
        (("42501", "1142", "1143"), "`servicegroup store init --print-sql` shows the grants that each role needs"),
    )
    for code in codes
}


def passing(error: Exception) -> bool:
    return _code(error) in PASSING


def sentence(error: Exception) -> str:
    """What the database's driver said: SQLAlchemy's own text would add the statement and its values."""
    said = _said(getattr(error, "orig", None) or error)
    advice = ADVICE.get(_code(error))
    return said if advice is None else f"{said}; {advice}"


def _code(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    first = origin.args[0] if origin.args and not isinstance(origin, OSError) else None
    # PyMySQL: the number, then the text. It has SQLSTATEs too, and they say less.
    return str(first if isinstance(first, int) else getattr(origin, "sqlstate", None))


def _said(origin: BaseException) -> str:
    primary = getattr(getattr(origin, "diag", None), "message_primary", None)  # the rest quotes the statement
    text = primary or (origin.args[1] if len(origin.args) == 2 else origin)  # noqa: PLR2004 - PyMySQL's pair
    return " ".join(str(text).split())
