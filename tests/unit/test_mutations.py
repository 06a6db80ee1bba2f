"""The list of mutations follows the rules: who changes a line of theirs is told at once, not in the next whole run."""

import pytest

from tests.mutations.__main__ import PURE
from tests.mutations.rules import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.rule)
def test_its_place_is_found_once(mutation: Mutation) -> None:
    text = (PURE / mutation.module).read_text(encoding="utf-8")
    assert text.count(mutation.old) == 1, f"{mutation.module} has {mutation.old!r}: bring tests/mutations/rules.py up"
