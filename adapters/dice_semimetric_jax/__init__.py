"""JAX: derivatives in closed form, losses in optax's style, sums over devices."""
