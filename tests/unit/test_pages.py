"""Lists of members, written once: what goes out is what each member says of itself, whatever its name, at its age."""

import json
from dataclasses import replace

import pytest
from servicegroup.answers import as_json, members_of
from servicegroup.gateway.pages import BLANK, Listing, Page
from servicegroup.liveness import Published
from servicegroup.model import Policy, Reason, Verdict
from servicegroup.record import Header, Record

UP = Published(Verdict.UP, Reason.BEATING, 1_800_000_000.0)
DOWN = Published(Verdict.DOWN, Reason.SILENT, 0.0, disabled=True)
NAMES = ["a", "b", "ü", "機架", 'say "c"', BLANK, "\\u0000", '{"ageSeconds": 1}', "10.0.0.1:1/?%2F"]
RECORD = Record(
    Header(1, Policy(10.0, 60.0), "e", 0.0, 0.0),
    1.5,
    {name: (UP, DOWN)[number % 2] for number, name in enumerate(NAMES)},
)
ALL = Page(verdict=None, limit=100, after=None)


def listed(listing: Listing, record: Record, page: Page) -> dict[str, object]:
    found: dict[str, object] = json.loads(listing.body({"group": "a/b", "ageSeconds": 0.0}, record, page))
    return found


@pytest.mark.parametrize("age", [0.0, 1.23449, 25.0])
def test_every_member_is_as_it_is_alone_and_as_old_as_the_record(age: float) -> None:
    listing = Listing(RECORD.members)
    listed(listing, RECORD, ALL)
    record = replace(RECORD, age=age)
    assert record.stale == (age > 20.0)
    found = listed(listing, record, ALL)
    assert found == {
        "group": "a/b",
        "ageSeconds": round(age, 3),
        "members": [as_json(one) for one in members_of(record)],
        "continue": None,
    }


def test_pages_of_a_verdict_follow_each_other() -> None:
    listing, after, names = Listing(RECORD.members), None, []
    for _ in range(len(NAMES)):
        body = listing.body({}, RECORD, Page(Verdict.UP, 2, after))
        shown = [one["member"] for one in json.loads(body)["members"]]
        names += shown
        if json.loads(body)["continue"] is None:
            break
        after = shown[-1]
    assert names == sorted(NAMES[::2])


def test_a_page_of_nobody_is_empty() -> None:
    found = listed(Listing({}), replace(RECORD, members={}), ALL)
    assert (found["members"], found["continue"]) == ([], None)
