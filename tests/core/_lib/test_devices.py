"""Where arrays of each library lie, and which of them have values yet."""

import numpy as np
import pytest

from dice_semimetric._lib.devices import device, is_eager, is_jax_tracer, is_torch_fake, on_host


def test_numpys_arrays_have_values_on_the_host() -> None:
    assert is_eager(np.ones(3), None, np.float64(1))
    assert on_host(np.ones(3))
    assert device(np.ones(3)) == "cpu"


def test_dasks_arrays_have_no_value_and_no_one_device() -> None:
    lazy = pytest.importorskip("dask.array").ones(3)
    assert not is_eager(np.ones(3), lazy)
    assert device(lazy) is None


def test_nothing_has_values_while_jax_traces() -> None:
    jax = pytest.importorskip("jax")
    known, seen = jax.numpy.ones(3), []

    def look(x):
        seen.append((is_jax_tracer(x), device(x), is_eager(x), is_eager(known), is_eager()))
        return x

    jax.jit(look)(known)
    assert seen == [(True, None, False, False, True)]
    assert is_eager(known)
    assert on_host(known) == (jax.default_backend() == "cpu")
    assert device(known) is not None


def test_a_tensor_has_values_unless_pytorch_only_follows_it() -> None:
    torch = pytest.importorskip("torch")
    from torch._subclasses.fake_tensor import FakeTensorMode

    assert is_eager(torch.ones(3))
    assert on_host(torch.ones(3))
    assert not is_eager(torch.ones(3, device="meta"))
    assert not on_host(torch.ones(3, device="meta"))
    with FakeTensorMode():
        fake = torch.ones(3)
    assert is_torch_fake(fake)
    assert not is_eager(fake)
    seen = []
    torch.func.vmap(lambda x: seen.append(is_eager(x)) or x)(torch.ones(3))
    assert seen == [False]
