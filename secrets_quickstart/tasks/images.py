"""`images.*`: the images that services run; what they are made of is in `images/`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import audit, report
from secrets_quickstart.catalog.images import BY_NAME, IMAGES
from secrets_quickstart.host.files import typed
from secrets_quickstart.tasks.task import settings, task

if TYPE_CHECKING:
    from secrets_quickstart.settings import Settings
    from secrets_quickstart.steps.images import ImagesStep, Mode
    from secrets_quickstart.swarm.engine import Engine
    from secrets_quickstart.swarm.images import Recipe
    from secrets_quickstart.swarm.registry import Registry

EVERY = tuple(row.name for row in IMAGES)
OFFICIAL = tuple(row.name for row in IMAGES if row.official)
NAMES = "Which, with commas between them"
JSON = "Print one JSON document."
BUILD_NOTHING = "Show what would be built, and build nothing (exit status 2 if anything would)."
REMOVE_NOTHING = "Show what would be removed, and remove nothing (exit status 2 if anything would)."


@task(
    help={"names": f"{NAMES} (all: {', '.join(EVERY)}).", "dry_run": BUILD_NOTHING, "json": JSON},
)
def build(_c: Context, names: str = "", dry_run: bool = False, json: bool = False) -> None:
    """Build local images whose inputs changed, and what they stand on."""
    from secrets_quickstart.operations.course import Planned, changes

    chosen = settings()
    with report.progress("Images") as board:
        step = _step(chosen, "local", _chosen(names, EVERY), board)
        plan = step.plan(step.look())
        for line in (*plan.unchanged, *plan.actions):
            report.say(f"  {line}")
        if not dry_run:
            audit.note(*plan.actions)
            step.act(plan.actions)
    if json:
        planned = Planned(step.name, plan)
        report.document({"changes": changes([planned]), **planned.document()})
    elif not plan.actions:
        report.result("nothing to do")
    if dry_run and plan.actions:
        raise Exit(code=2)


@task(help={"names": f"{NAMES} (all: {', '.join(OFFICIAL)}).", "json": JSON})
def pull(_c: Context, names: str = "", json: bool = False) -> None:
    """Pull what the official images' tags stand for now; the next deploy brings it to the services."""
    chosen = settings()
    source = _registry(chosen)
    pulled: list[dict[str, str]] = []
    with report.progress("Pulling") as board:
        for name in _chosen(names, OFFICIAL):
            row = BY_NAME[name]
            official = source.official(row, str(chosen[row.tag_variable]))
            audit.note(f"pull {official.reference}")
            source.pull(official.reference, partial(_tell, board, name))
            pulled.append({"name": name, "reference": official.reference})
            if not json:
                report.result(official.reference)
    if json:
        report.document(pulled)


@task(name="list", help={"json": JSON})
def list_(_c: Context, json: bool = False) -> None:
    """Show the local images: which are current, which are built."""
    from secrets_quickstart.swarm import images

    chosen = settings()
    current = {recipe.reference: recipe.name for recipe in _recipes(chosen)}
    built = {image.reference: image for image in images.built(_engine(chosen))}
    names = {image.reference: image.name for image in built.values()} | current
    documents: list[dict[str, str | int | None]] = []
    rows: list[tuple[str, str, str, str, str]] = []
    for reference, name in sorted(names.items(), key=lambda item: (item[1], item[0])):
        image = built.get(reference)
        state = ("current" if image else "not built") if reference in current else "of former inputs"
        made = datetime.fromtimestamp(image.created, UTC) if image else None
        rows.append((name, reference, state, f"{image.size / 1e6:.0f} MB" if image else "", _minute(made)))
        documents.append(
            {
                "name": name,
                "reference": reference,
                "state": state,
                "bytes": image.size if image else None,
                "created": made.isoformat(timespec="seconds") if made else None,
            }
        )
    if json:
        report.document(documents)
    else:
        report.table(("IMAGE", "REFERENCE", "STATE", "SIZE", "CREATED"), rows)


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else ""


@task(positional=["file"], help={"file": "Where to write them (gzip)."})
def save(_c: Context, file: str) -> None:
    """Write the current local images to one file, to take to a machine without a network."""
    from secrets_quickstart.swarm import images

    chosen = settings()
    references = [recipe.reference for recipe in _recipes(chosen)]
    report.say(f"saving {len(references)} images, this takes a while")
    size = images.save(_engine(chosen), references, typed(file))
    report.result(f"{file}: {len(references)} images, {size / 1e6:.0f} MB")


@task(positional=["file"], help={"file": "What images.save wrote."})
def load(_c: Context, file: str) -> None:
    """Take in the images that images.save wrote on another machine (on each node of a swarm)."""
    from secrets_quickstart.swarm import images

    chosen = settings()
    audit.note("load images from a file")
    loaded = images.load(_engine(chosen), typed(file))
    current = {recipe.reference for recipe in _recipes(chosen)}
    for reference in loaded:
        report.result(reference if reference in current else f"{reference} (not of this version's inputs)")


@task(help={"dry_run": REMOVE_NOTHING, "json": JSON})
def prune(_c: Context, dry_run: bool = False, json: bool = False) -> None:
    """Remove local images of former inputs that no service and no container was made from."""
    from secrets_quickstart.swarm import images

    chosen = settings()
    engine = _engine(chosen)
    current = {recipe.reference for recipe in _recipes(chosen)}
    old = [image.reference for image in images.built(engine) if image.reference not in current]
    used = images.in_use(engine)
    rows: list[dict[str, str]] = []
    for reference in old:
        outcome, reason = _pruned(engine, reference, used, dry_run=dry_run)
        rows.append({"reference": reference, "outcome": outcome, "reason": reason})
        if not json:
            report.result(f"{reference}: {outcome}{reason and ', '}{reason}")
    if json:
        report.document(rows)
    elif not old:
        report.result("nothing to do: all local images are current")
    if dry_run and not used.issuperset(old):
        raise Exit(code=2)


def _pruned(engine: Engine, reference: str, used: frozenset[str], *, dry_run: bool) -> tuple[str, str]:
    """What became of an image that is not current, and why it stays; "" if it does not."""
    from secrets_quickstart.errors import EngineError
    from secrets_quickstart.swarm import images

    if reference in used:
        return "stays", "a service or a container was made from it"
    if dry_run:
        return "would be removed", ""
    try:
        audit.note(f"remove {reference}")
        images.remove(engine, reference)
    except EngineError as problem:  # a container made from it by its ID
        return "stays", problem.why
    return "removed", ""


def _tell(board: report.Progress, name: str, state: str) -> None:
    board.update({name: state})


def _step(chosen: Settings, mode: Mode, names: tuple[str, ...], board: report.Progress) -> ImagesStep:
    from secrets_quickstart.steps.images import ImagesStep, Wish

    tags = {row.tag_variable: str(chosen[row.tag_variable]) for row in IMAGES if row.tag_variable}
    wish = Wish(names, mode, chosen.folder / "images", tags, chosen.stack)
    return ImagesStep(_engine(chosen), wish, _registry(chosen), chosen.base_environment, board.update)


def _engine(chosen: Settings) -> Engine:
    from secrets_quickstart.swarm.engine import Engine

    return Engine(chosen.base_environment)


def _registry(chosen: Settings) -> Registry:
    from secrets_quickstart.swarm.registry import Account, Registry

    user, file = chosen["FLOWKIT_REGISTRY_USER"], chosen["FLOWKIT_REGISTRY_PASSWORD_FILE"]
    account = Account(str(user), Path(file)) if user and file else None
    return Registry(_engine(chosen), chosen.registry, account)


def _recipes(chosen: Settings) -> list[Recipe]:
    from secrets_quickstart.swarm import images

    return list(images.recipes(chosen.folder / "images", EVERY).values())


def _chosen(names: str, every: Iterable[str]) -> tuple[str, ...]:
    from secrets_quickstart.errors import UsageError

    wanted = tuple(names.replace(",", " ").split()) or tuple(every)
    unknown = [name for name in wanted if name not in every]
    if unknown:
        raise UsageError(f"there is no image {unknown[0]}", fix=f"choose among {', '.join(every)}")
    return wanted


ns = Collection("images", build, list_, pull, save, load, prune)
