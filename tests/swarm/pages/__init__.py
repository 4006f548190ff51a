"""FlowAuth's web page in a real browser."""
