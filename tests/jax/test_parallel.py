"""A batch spread over devices: value and gradient are those of the whole batch on one.

XLA must be told to make four devices of a CPU before it starts, hence the process of its own.
"""

import os
import subprocess
import sys

import pytest

pytest.importorskip("jax")

SETUP = """
import warnings
warnings.filterwarnings("error", category=UserWarning)
import itertools
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_enable_x64", {x64})
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
import dice_semimetric as core
from dice_semimetric_jax import calibration_loss, region_loss

devices = Mesh(jax.devices(), ("data",))
rng = np.random.default_rng(0)
z = jnp.asarray(rng.normal(size=(8, 3, 6, 5)))
label = rng.integers(0, 2, (8, 6, 5))
label[5:7, :2] = 2  # present on two devices only
label = jnp.asarray(label)
soft = jax.nn.softmax(jnp.asarray(rng.normal(size=z.shape)), axis=1)
weight = jnp.asarray(rng.normal(size=(3, 3)))
close = dict(rtol=1e-5, atol=1e-7) if z.dtype == "float32" else dict(rtol=1e-11, atol=1e-14)

def model(w, z):
    return jnp.einsum("cd,bdhw->bchw", w, z)

def sharded(function, **options):
    return jax.shard_map(function, mesh=devices, **options)

CHOICES = list(itertools.product(("batch", "image", "class"), ("all", "present", (0, 2))))
"""

SHARD_MAP = """
for k, (per, classes) in enumerate(CHOICES):
    target = (label, soft)[k % 2]
    options = dict(per=per, classes=classes, form=("dml1", "jml2")[k % 2], activation="softmax")
    def joined(w, z, t):
        return core.region_loss(model(w, z), t, **options)
    def spread(w, z, t):
        return region_loss(model(w, z), t, axis_name="data", **options)
    outside = sharded(spread, in_specs=(P(), P("data"), P("data")), out_specs=P())
    inside = sharded(
        jax.value_and_grad(spread, argnums=(0, 1)),
        in_specs=(P(), P("data"), P("data")), out_specs=(P(), (P(), P("data"))),
    )
    expected = jax.jit(jax.value_and_grad(joined, argnums=(0, 1)))(weight, z, target)
    for way in (jax.value_and_grad(outside, argnums=(0, 1)), inside):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, **close),
            jax.jit(way)(weight, z, target), expected,
        )
"""

PMAP = """
for per in ("batch", "image"):
    def step(w, z, t):
        value, gradient = jax.value_and_grad(
            lambda w: region_loss(model(w, z), t, axis_name="i", activation="softmax", per=per)
        )(w)
        return value, jax.lax.pmean(gradient, "i")
    apart = lambda a: a.reshape(4, 2, *a.shape[1:])
    value, gradient = jax.pmap(step, axis_name="i", in_axes=(None, 0, 0))(
        weight, apart(z), apart(label)
    )
    expected = jax.value_and_grad(
        lambda w: core.region_loss(model(w, z), label, activation="softmax", per=per)
    )(weight)
    for k in range(4):
        np.testing.assert_allclose(value[k], expected[0], **close)
        np.testing.assert_allclose(gradient[k], expected[1], **close)
"""

NONE = """
table = sharded(
    lambda z, t: region_loss(z, t, axis_name="data", activation="softmax", per="image",
                             reduction="none"),
    in_specs=(P("data"), P("data")), out_specs=P(),
)(z, label)
expected = core.region_loss(z, label, activation="softmax", per="image", reduction="none")
np.testing.assert_allclose(table, expected, **close)
"""

CALIBRATION = """
for per, classes in (("batch", "all"), ("image", "present"), ("class", (0, 2))):
    options = dict(per=per, classes=classes, activation="softmax", n_bins=7)
    def joined(w, z, t):
        return core.calibration_loss(model(w, z), t, **options)
    spread = sharded(
        lambda w, z, t: calibration_loss(model(w, z), t, axis_name="data", **options),
        in_specs=(P(), P("data"), P("data")), out_specs=P(),
    )
    for target in (label, soft)[: 2 if per == "batch" else 1]:
        found = jax.jit(jax.value_and_grad(spread, argnums=(0, 1)))(weight, z, target)
        expected = jax.jit(jax.value_and_grad(joined, argnums=(0, 1)))(weight, z, target)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **close), found, expected)
"""

BINS = """
def sums(prob, label):
    bins = core.calibration_bins(prob, label)
    return bins.count, bins.confidence, bins.correct

expected = jax.jit(sums)(soft, label)
spread = [jax.device_put(a, NamedSharding(devices, P("data"))) for a in (soft, label)]
joined = sharded(
    lambda *a: jax.lax.psum(sums(*a), "data"), in_specs=(P("data"), P("data")), out_specs=P()
)
for got in (jax.jit(sums)(*spread), jax.jit(joined)(soft, label)):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **close), got, expected)
assert "all-gather" not in jax.jit(sums).lower(*spread).compile().as_text()
"""

WHOLE_ARRAYS = """
spread = jax.device_put(z, NamedSharding(devices, P("data")))
everywhere = jax.device_put(soft, NamedSharding(devices, P()))
expected = core.region_loss(z, soft, activation="softmax", classes=(0, 2))
for pair in ((spread, everywhere), (spread, soft), (z, everywhere)):
    got = core.region_loss(*pair, activation="softmax", classes=(0, 2))
    np.testing.assert_allclose(got, expected, **close)
hot = jax.device_put(core.one_hot(label, 3), NamedSharding(devices, P("data")))
np.testing.assert_allclose(core.dml1(hot, everywhere), core.dml1(core.one_hot(label, 3), soft))
np.testing.assert_allclose(
    core.region_score(everywhere, jax.device_put(label, NamedSharding(devices, P("data"))),
                      score="bdice"),
    core.region_score(soft, label, score="bdice"), **close,
)
step = jax.jit(jax.grad(lambda z, t: core.region_loss(z, t, activation="softmax")))
compiled = step.lower(spread, jax.device_put(label, NamedSharding(devices, P("data")))).compile()
text = compiled.as_text()
assert "all-gather" not in text and "all-to-all" not in text
assert text.count(" all-reduce(") + text.count(" all-reduce-start(") == 1, text
"""


@pytest.mark.parametrize("x64", [True, False], ids=["float64", "float32"])
def test_four_devices(x64: bool) -> None:
    # In one process: its start takes longer than most. In float32 only the sums are in question.
    body = SHARD_MAP + PMAP if x64 else SHARD_MAP.replace("(CHOICES)", "(CHOICES[:2])")
    body += CALIBRATION + NONE + BINS + WHOLE_ARRAYS
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # nearly all of the time is compilation
    }
    done = subprocess.run(
        [sys.executable, "-c", SETUP.format(x64=x64) + body],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
