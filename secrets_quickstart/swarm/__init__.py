"""All that is said to Docker. Nothing here knows FlowKit."""
