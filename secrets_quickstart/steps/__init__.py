"""The steps of bringing FlowKit up, one module each. In which order is said in `operations`."""
