"""The groups that exist, as the watch told them: when the bells ring, and what stays."""

from typing import Any

import pytest
from servicegroup.model import GroupKey
from servicegroup.operator.groups import Groups

KEY = GroupKey("nova", "compute")
OURS = {"counts": {"total": 3}, "publication": 9}


def body(
    *,
    name: str = "compute",
    uid: str = "uid-1",
    generation: int = 1,
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
) -> dict[str, Any]:
    metadata = {"namespace": "nova", "name": name, "uid": uid, "generation": generation}
    return {"metadata": metadata, "spec": spec or {}, "status": status or {}}


@pytest.fixture
def groups() -> Groups:
    """One group, known already."""
    found = Groups()
    found.put(body(status={"publication": 4}))
    return found


def test_a_new_group_rings_every_bell(groups: Groups) -> None:
    bells = [groups.bell(), groups.bell()]
    groups.put(body(name="edge", uid="uid-2"))

    assert [bell.is_set() for bell in bells] == [True, True]
    assert {wanted.key.name for wanted in groups.all()} == {"compute", "edge"}


def test_our_own_write_of_a_status_rings_no_bell_and_what_stood_there_first_stays(groups: Groups) -> None:
    bell = groups.bell()
    groups.put(body(status=OURS))

    assert not bell.is_set()
    (wanted,) = groups.all()
    assert wanted.status == {"publication": 4}


def test_a_label_or_annotation_rings_no_bell(groups: Groups) -> None:
    bell = groups.bell()
    changed = body()
    changed["metadata"]["labels"] = {"team": "a"}
    groups.put(changed)

    assert not bell.is_set()


def test_a_changed_spec_rings_and_is_taken_in(groups: Groups) -> None:
    bell = groups.bell()
    groups.put(body(generation=2, spec={"reportIntervalSeconds": 2}, status=OURS))

    assert bell.is_set()
    (wanted,) = groups.all()
    assert wanted.spec is not None
    assert (wanted.spec.policy.interval, wanted.generation) == (2.0, 2)
    assert wanted.status == {"publication": 4}


def test_a_group_made_again_under_its_name_is_another_one(groups: Groups) -> None:
    bell = groups.bell()
    groups.put(body(uid="uid-2"))

    assert bell.is_set()
    (wanted,) = groups.all()
    assert (wanted.uid, wanted.status) == ("uid-2", {})


def test_a_group_that_is_deleted_is_gone_and_rings(groups: Groups) -> None:
    bell = groups.bell()
    groups.remove(body(status=OURS, generation=7))

    assert bell.is_set()
    assert groups.all() == ()


def test_a_deletion_of_a_group_that_nobody_knew_rings_no_bell(groups: Groups) -> None:
    bell = groups.bell()
    groups.remove(body(name="edge"))

    assert not bell.is_set()
    assert len(groups.all()) == 1


def test_a_late_word_of_a_deletion_does_not_take_away_the_group_made_again_since(groups: Groups) -> None:
    groups.put(body(uid="uid-2"))
    bell = groups.bell()
    groups.remove(body(uid="uid-1"))

    assert [wanted.uid for wanted in groups.all()] == ["uid-2"]
    assert not bell.is_set()


def test_a_group_from_a_file_has_no_uid_and_can_go_as_well() -> None:
    groups = Groups()
    groups.put({"metadata": {"name": "compute"}})
    groups.remove({"metadata": {"name": "compute"}})

    assert groups.all() == ()


def test_a_refused_spec_keeps_its_group_so_that_it_can_be_told_and_is_left_to_no_store(groups: Groups) -> None:
    groups.put(body(generation=2, spec={"minAvailable": "most"}))

    (wanted,) = groups.all()
    assert wanted.spec is None
    assert wanted.problem is not None
    assert "'most'" in wanted.problem
    assert groups.of_store("default") == {}

    groups.put(body(generation=3))
    assert set(groups.of_store("default")) == {KEY}


def test_each_store_has_the_groups_that_name_it(groups: Groups) -> None:
    groups.put(body(name="edge", uid="uid-2", spec={"store": "edge"}))

    assert set(groups.of_store("default")) == {KEY}
    assert set(groups.of_store("edge")) == {GroupKey("nova", "edge")}
    assert groups.of_store("other") == {}
