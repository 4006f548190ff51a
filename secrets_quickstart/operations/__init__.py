"""The verbs made of steps. What one step does is in `steps`."""
