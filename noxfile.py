"""The code's own checks, and the whole system on a real swarm; operating it is invoke's business.

Sessions run in the environment that bootstrap.sh made from the lock: what is checked is what operators run.
"""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests", "smoke"]
nox.options.stop_on_first_error = True

TROUBLE = "tests/swarm/test_flowetl_trouble.py"
"""Takes as long as a third of all else: for when FlowETL was changed."""

DEADLINE = 900
"""Seconds for one test and the deployment that it starts; the longest takes a third of that on two cores."""


@nox.session
def lint(session: nox.Session) -> None:
    """Style, forbidden imports, and the order of the rooms."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", silent=True)


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Unit tests, on every processor: no Docker, no network."""
    session.run("pytest", "-n", "auto", "--dist", "worksteal", *session.posargs)


@nox.session
def smoke(session: nox.Session) -> None:
    """The whole system on a real swarm, from nothing and back (root and an engine; takes minutes)."""
    common = ("-x", "-v", f"--timeout={DEADLINE}", "--durations=20", "tests/swarm", f"--ignore={TROUBLE}")
    session.run("pytest", "-m", "swarm and alone", *common, *session.posargs)
    side_by_side = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
    session.run("pytest", "-m", "swarm and not alone", *side_by_side, *common, *session.posargs)


@nox.session(default=False)
def trouble(session: nox.Session) -> None:
    """Loads of a day that are cut off, starved or fed nonsense, on a real swarm (root and an engine; ten minutes)."""
    session.run("pytest", "-m", "swarm", TROUBLE, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """How fast, as ratios within one run; writes artefacts/bench.json."""
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session(default=False)
def rotation(session: nox.Session) -> None:
    """What each secret's rotation interrupts, and for how long (root and an engine; ten minutes)."""
    session.run("python", "-m", "tests.bench.rotation", *session.posargs)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Resolve the dependencies anew (needs a package index)."""
    options = ["--generate-hashes", "--universal", "--python-version", "3.11", "--no-emit-index-url"]
    session.run(
        "uv", "pip", "compile", "-q", *options, "--no-emit-find-links", "--custom-compile-command", "nox -s lock",
        "--group", "dev", "-o", "requirements.lock", *session.posargs, "pyproject.toml",
    )  # fmt: skip
