"""FlowKit on Docker Swarm: deployed, verified and kept. The entry point is `tasks.py`, not this package."""
