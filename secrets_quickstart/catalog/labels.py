"""The labels by which Docker's objects are known as ours; not the objects."""

from __future__ import annotations

PREFIX = "org.flowkit."

STACK = PREFIX + "stack"
"""Of a secret: the deployment that it belongs to."""
NAME = PREFIX + "name"
"""Of a secret: its row in `secrets`."""
GENERATION = PREFIX + "generation"
FINGERPRINT = PREFIX + "fingerprint"
"""Of a secret: by what the vault knows its value again; of use to nobody else."""
VAULT = PREFIX + "vault"
"""Of a secret: the vault that it comes from."""
INPUTS = PREFIX + "inputs"
"""Of a service or an image: the digest of all that it was made from."""
IMAGE = PREFIX + "image"
"""Of an image: its row in `images`."""
MADE_BY = PREFIX + "made-by"
"""Of a swarm that we made, and may therefore take down again."""
