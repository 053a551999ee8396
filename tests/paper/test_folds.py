"""Cross-validation by patient: what must hold whatever the patients are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.paper.samples import validation_folds

NAMES = st.lists(st.sampled_from(["a", "b b", "<c>", "d\n", "é", "F", "g"]), min_size=1)


@given(NAMES, st.integers(1, 6), st.integers(0, 3))
def test_more_folds_than_patients_are_refused(patients: list[str], more: int, seed: int) -> None:
    number = len(set(patients))
    folds = number + more
    with pytest.raises(ValueError, match=f"from 2 to the {number} patients, got {folds}"):
        validation_folds(patients, folds, seed=seed)


@given(NAMES.filter(lambda names: len(set(names)) > 1), st.integers(0, 3), st.data())
def test_every_case_is_in_one_fold_and_every_patient_too(
    patients: list[str], seed: int, data: st.DataObject
) -> None:
    number = len(set(patients))
    folds = data.draw(st.integers(2, number))
    found = validation_folds(patients, folds, seed=seed)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(patients)))
    assert all(len(fold) for fold in found)
    owners = [{patients[case] for case in fold} for fold in found]
    assert sum(map(len, owners)) == number
    largest = max(patients.count(name) for name in patients)
    assert max(map(len, found)) - min(map(len, found)) <= largest


def test_folds_differ_by_at_most_one_case_where_each_case_is_a_patient() -> None:
    sizes = [len(fold) for fold in validation_folds([str(k) for k in range(47)], 5)]
    assert sorted(sizes) == [9, 9, 9, 10, 10]


def test_the_seed_decides() -> None:
    patients = [str(k) for k in range(30)]
    first, again, other = (validation_folds(patients, seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    with pytest.raises(ValueError, match="from 2"):
        validation_folds(patients, 1)
