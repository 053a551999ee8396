"""The pictures of the paradox say what the theorem says."""

import numpy as np
from scripts import run


def test_dml_is_smallest_at_the_label_and_sdl_is_not() -> None:
    found = run("paradox")
    values = found["values"]
    assert values[found["curves"]["DML1"].argmin()] == 0.5
    assert found["curves"]["DML1"].min() == 0
    assert values[found["curves"]["SDL"].argmin()] == 1
    sdl, dml = found["losses"]["SDL"], found["losses"]["DML1"]
    assert np.all(np.diff(sdl) < 0)
    assert np.all(np.diff(dml) > 0)
    assert dml[0] == 0
    assert set(np.unique(found["mask"])) == {0, 1}


def test_only_dml_on_the_mean_asks_for_the_mean() -> None:
    preferred = run("paradox")["preferred"]
    assert {key for key, what in preferred.items() if what == "the mean"} == {("DML1", "mean")}
