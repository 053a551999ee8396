"""What vector code is asked for, against slow code."""

import numpy as np
from dice_semimetric_numba.vectors import wide
from numba import njit


@njit(fastmath=True)  # not kept on disk, where code cannot be read back
def total(values):
    wide()
    found = np.float32(0)
    for i in range(values.size):
        found += values[i]
    return found


def test_a_loop_in_wide_vectors_gives_the_same():
    assert total(np.arange(1000, dtype=np.float32)) == 499500
    (code,) = total.inspect_llvm().values()
    assert '"prefer-vector-width"="512"' in code
