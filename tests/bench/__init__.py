"""How fast it is: each module measures one thing against a yardstick in the same run.  What came out: docs/bench.md."""
