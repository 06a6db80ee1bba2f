"""The values that every layer shares: names that are taken and refused, policies, thresholds."""

import pytest
from servicegroup.model import GroupKey, InvalidName, MinAvailable, Policy, check_member

LONGEST = 253

NAMES = {
    "a host": "compute-07.rack4.example.org",
    "one character": "a",
    "253 characters": "n" * LONGEST,
    "253 characters outside the basic plane": "\N{ROCKET}" * LONGEST,
    "colons, as in the seed's topic:host": "compute:node-1",
    "spaces inside": "node one",
    "spaces around": " node-1 ",
    "nothing but a space": " ",
    "Chinese": "計算節點",
    "right to left": "עברית",
    "Devanagari with marks": "क्षत्रिय",
    "an accent as a character of its own": "e\N{COMBINING ACUTE ACCENT}",
    "quotes and SQL": "'; DROP TABLE servicegroup_member; --",
    "per cent, underscore, backslash": "100%_\\",
    "a slash": "rack/node",
    "a dot alone": ".",
    "an invisible space": "a\N{ZERO WIDTH SPACE}b",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_name_of_a_member_is_taken_as_it_is(name: str) -> None:
    assert check_member(name) == name


def test_names_that_look_alike_stay_apart() -> None:
    assert check_member("é") != check_member("e\N{COMBINING ACUTE ACCENT}")


REFUSED = {
    "nothing": ("", "0 characters"),
    "254 characters": ("n" * (LONGEST + 1), "254 characters"),
    "a newline at the end": ("node-1\n", "character 7 (U+000A)"),
    "a null": ("node\0", "character 5 (U+0000)"),
    "a tab": ("a\tb", "character 2 (U+0009)"),
    "delete": ("\x7f", "character 1 (U+007F)"),
    "a control character of Latin-1": ("a\x85", "character 2 (U+0085)"),
    "the first half of a character": ("node\ud83d", "character 5 (U+D83D)"),
    "the second half of a character": ("\ude80", "character 1 (U+DE80)"),
    "bytes that are no UTF-8, as Python reads them": (b"n\xff".decode("utf-8", "surrogateescape"), "(U+DCFF)"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_a_name_that_is_refused_is_told_why(case: tuple[str, str]) -> None:
    name, why = case
    with pytest.raises(InvalidName) as refused:
        check_member(name)

    assert why in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value).encode()) < 400


KEYS = {
    "a name alone is in the namespace default": ("compute", GroupKey("default", "compute")),
    "a namespace and a name": ("nova/compute", GroupKey("nova", "compute")),
    "the longest of both": (f"{'s' * 63}/{'n' * LONGEST}", GroupKey("s" * 63, "n" * LONGEST)),
}


@pytest.mark.parametrize("case", KEYS.values(), ids=KEYS.keys())
def test_a_group_is_a_name_or_a_namespace_and_a_name(case: tuple[str, GroupKey]) -> None:
    text, key = case

    assert GroupKey.parse(text) == key
    assert GroupKey.parse(str(key)) == key


NO_KEYS = {
    "nothing": "",
    "a slash alone": "/",
    "no name": "nova/",
    "no namespace": "/compute",
    "two slashes": "a/b/c",
    "two slashes in a row": "a//c",
    "a slash at the end": "nova/compute/",
    "a newline": "compute\n",
    "a null": "nova/com\0pute",
    "half a character": "nova/\ud83d",
    "very long": "n" * 10_000,
}


@pytest.mark.parametrize("text", NO_KEYS.values(), ids=NO_KEYS.keys())
def test_what_is_no_name_of_a_group_is_refused(text: str) -> None:
    with pytest.raises(InvalidName, match="namespace/name") as refused:
        GroupKey.parse(text)

    assert str(refused.value).isprintable()


THRESHOLDS = {
    "51 per cent of 100": (MinAvailable(51, True), 100, 51),
    "51 per cent of 10 is rounded up": (MinAvailable(51, True), 10, 6),
    "51 per cent of one": (MinAvailable(51, True), 1, 1),
    "51 per cent of nobody": (MinAvailable(51, True), 0, 0),
    "100 per cent of 7": (MinAvailable(100, True), 7, 7),
    "no per cent": (MinAvailable(0, True), 7, 0),
    "33 per cent of 100 is no fraction more": (MinAvailable(33, True), 100, 33),
    "29 per cent of 100, where floats would say 30": (MinAvailable(29, True), 100, 29),
    "a number": (MinAvailable(3, False), 100, 3),
    "a number above all": (MinAvailable(3, False), 2, 3),
}


@pytest.mark.parametrize("case", THRESHOLDS.values(), ids=THRESHOLDS.keys())
def test_how_many_must_be_up(case: tuple[MinAvailable, int, int]) -> None:
    least, total, wanted = case

    assert least.of(total) == wanted


POLICY = Policy(10.0, 60.0)

PROMISES = {
    "the group's own interval": (10.0, POLICY),
    "a shorter interval changes nothing": (1.0, POLICY),
    "twice the interval is twice T": (20.0, Policy(20.0, 120.0)),
    "ten times the interval is ten times T": (100.0, Policy(100.0, 600.0)),
    "nothing promised": (0.0, POLICY),
}


@pytest.mark.parametrize("case", PROMISES.values(), ids=PROMISES.keys())
def test_a_promise_stretches_the_policy(case: tuple[float, Policy]) -> None:
    interval, wanted = case

    assert POLICY.stretched(interval) == wanted


PASSES = {"10 s": (10.0, 1.0), "100 s": (100.0, 1.0), "1 s": (1.0, 0.1), "5 s": (5.0, 0.5)}


@pytest.mark.parametrize("case", PASSES.values(), ids=PASSES.keys())
def test_a_pass_is_a_second_or_a_tenth_of_a_shorter_interval(case: tuple[float, float]) -> None:
    interval, seconds = case

    assert Policy(interval, 6 * interval).pass_seconds == seconds


def test_what_follows_from_the_interval() -> None:
    assert (POLICY.sight, POLICY.longest_gap, POLICY.stale) == (25.0, 5.0, 13.0)
