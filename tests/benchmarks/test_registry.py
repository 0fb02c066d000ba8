import pytest

from benchmarks.peers import NAMES
from benchmarks.registry import PEERS, REASONS, SUITES, YARDSTICKS, Case

CASES = [case for cases in SUITES.values() for case in cases]


def test_every_case_has_its_own_name():
    assert len({case.name for case in CASES}) == len(CASES)


def test_first_grid_is_whole():
    assert len(SUITES["grid"]) == 57


def test_table_has_a_goal_for_every_case():
    assert all(case.goals for case in SUITES["table"])
    assert not any(case.goals for case in SUITES["grid"])


def test_every_peer_is_known_and_takes_part_where_a_goal_names_it():
    assert set(PEERS) == {*NAMES, *YARDSTICKS}
    for case in CASES:
        assert set(case.peers) <= set(PEERS)
        for goal in case.goals:
            assert set(goal.against) <= set(case.peers), case.name
            assert "holdfast freeze" not in goal.doors or case.freeze, case.name


def test_reasons_belong_to_cases():
    assert set(REASONS) <= {case.name for case in CASES}


@pytest.mark.parametrize(
    ("case", "flops"),
    [
        (Case("infer", 2, 5, 3, 7), 2 * 10 * 28 * (3 + 7)),
        (Case("train", 2, 5, 3, 7, family="gru"), 3 * 2 * 10 * 21 * (3 + 7)),
        (Case("infer", 2, 5, 3, 7, variant="coupled"), 2 * 10 * 21 * (3 + 7)),
        (Case("infer", 2, 5, 3, 7, proj_size=4), 2 * 10 * (28 * (3 + 4) + 4 * 7)),
        (Case("infer", 2, 5, 3, 7, layers=2, bidirectional=True), 2 * 10 * 2 * 28 * (3 + 7 + 14 + 7)),
    ],
)
def test_useful_operations_are_counted_by_the_formula(case, flops):
    assert case.flops(10) == flops
