"""The checks of the vault, of the swarm's secrets and the databases' data against it, and of certificates."""

from __future__ import annotations

from secrets_quickstart.catalog import components
from secrets_quickstart.catalog.secrets import BY_NAME, SECRETS
from secrets_quickstart.checks.certificate_dates import judge as certificate_dates_of
from secrets_quickstart.checks.check import Check, Obstacle, Ok, Outcome, Skip, Warn
from secrets_quickstart.checks.conditions import with_swarm
from secrets_quickstart.checks.data import Content, refusal
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_custody import CustodyFacts, HeldCertificate
from secrets_quickstart.checks.facts_swarm import SecretFacts, SwarmFacts
from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.material.generation import readers

BRING_BACK = (
    "bring back the vault that made them (FLOWKIT_VAULT); if it is lost: invoke secrets.adopt; "
    "or choose another FLOWKIT_STACK in .env"
)

WEAK = "secrets-weak"


def vault(facts: PreflightFacts) -> Outcome:
    custody = facts.custody
    if custody.problem:
        return Obstacle(custody.problem, custody.fix)
    if not custody.exists and not custody.creatable:
        return Obstacle(
            f"there is no vault at {custody.path}, and it or its key may not be made",
            "run this as the owner of those folders, or set FLOWKIT_VAULT and FLOWKIT_VAULT_KEY_FILE",
        )
    if not custody.exists:
        return Ok(f"none yet; the deployment makes {custody.path}")
    return Ok(f"{custody.path}, {len(custody.names)} values")


def vault_key(facts: PreflightFacts) -> Outcome:
    if facts.custody.key_beside:
        return Warn(
            f"the vault's key lies beside it in {facts.custody.path.parent}: one copy of the folder opens it",
            "move the key elsewhere and name it in FLOWKIT_VAULT_KEY_FILE",
        )
    return Ok("the key is kept apart")


def exposed_files(facts: PreflightFacts) -> Outcome:
    if facts.custody.exposed:
        files = " ".join(str(path) for path in facts.custody.exposed)
        return Obstacle(f"others may read a password in {files}", f"chmod 600 {files}, and change that password")
    return Ok("no file with a password is open to others")


def weak_values(facts: PreflightFacts) -> Outcome:
    weak = facts.custody.weak
    if weak:
        used = [name for name in weak if _is_used(name, facts)]
        idle = next((name for name in weak if name not in used), None)
        return Obstacle(
            "; ".join(f"{name} is {fault}" for name, fault in weak.items()),
            f"give it a real one: openssl rand -hex 16 | invoke secrets.import {idle} -"
            if idle is not None
            else f"give what runs new ones: invoke secrets.rotate --names {','.join(used)}",
        )
    return Ok("none") if facts.custody.names else Skip("the vault holds nothing yet")


def _is_used(name: str, facts: PreflightFacts) -> bool:
    """Whether services of the stack run with it: then a new value has to be told to whoever keeps the old one."""
    if isinstance(facts.swarm, Unknown) or name not in BY_NAME:
        return False
    services = [one.name for part in readers(BY_NAME[name]) for one in components.BY_NAME[part].services]
    return any(facts.swarm.has(f"{facts.wanted.stack}_{service}") for service in services)


def shared_values(facts: PreflightFacts) -> Outcome:
    if facts.custody.shared:
        said = "; ".join(" = ".join(group) for group in facts.custody.shared)
        last = facts.custody.shared[0][-1]
        return Warn(f"the same password: {said}", f"give {last} one of its own: invoke secrets.import {last} -")
    return Ok("none") if facts.custody.names else Skip("the vault holds nothing yet")


def loose_values(facts: PreflightFacts) -> Outcome:
    if facts.custody.loose:
        named = ", ".join(facts.custody.loose)
        return Obstacle(
            f"a secret of the vault stands in the clear in {named}",
            f"take it out of {named}, and rotate that secret: it is in the services' environment",
        )
    return Ok("none") if facts.custody.names else Skip("the vault holds nothing yet")


@with_swarm
def secrets_by_hand(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    stack = facts.wanted.stack
    clashing = [
        item.name
        for item in swarm.secrets
        if item.stack != stack and any(item.name.startswith(f"{stack}_{row.name}_g") for row in SECRETS)
    ]
    if clashing:
        return Obstacle(
            f"secrets of our names that we did not make: {', '.join(clashing)}",
            f"docker secret rm {clashing[0]}, or choose another FLOWKIT_STACK",
        )
    by_hand = sorted(item.name for item in swarm.secrets if item.name in BY_NAME and not item.stack)
    if by_hand:
        return Ok(f"{len(by_hand)} of a deployment by hand or by FlowKit's script are left alone: {by_hand[0]}, …")
    return Ok("no secret of another has our names")


@with_swarm
def secrets_of_vault(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    custody = facts.custody
    if custody.problem:
        return Skip("the vault cannot be opened")
    ours = [item for item in swarm.secrets if item.stack == facts.wanted.stack]
    if ours and not custody.exists:
        return Obstacle(
            f"the swarm has {len(ours)} secrets of the stack {facts.wanted.stack}, and there is no vault", BRING_BACK
        )
    ours = [item for item in ours if not _is_left_out(item, custody)]
    foreign = [item.name for item in ours if item.vault != custody.id]
    if foreign:
        return Obstacle(f"secrets that another vault made: {', '.join(foreign)}", BRING_BACK)
    later = [item.name for item in ours if (item.generation or 0) > custody.generation(item.of)]
    if later:
        return Obstacle(
            f"secrets later than any in the vault, which is an old copy: {', '.join(later)}",
            "bring back the newest copy of the vault",
        )
    drifted = [
        item.name
        for item in ours
        if item.generation is None or custody.fingerprints.get((item.of, item.generation)) != item.fingerprint
    ]
    if drifted:
        return Obstacle(
            f"secrets with another value than the vault's: {', '.join(drifted)}",
            f"docker secret rm {drifted[0]} if no service uses it; else {BRING_BACK}",
        )
    return Ok(f"{len(ours)} in the swarm, all as in the vault")


def _is_left_out(item: SecretFacts, custody: CustodyFacts) -> bool:
    """Whether the vault knows that its number was given away before its time."""
    number = item.generation or 0
    return (item.of, number) not in custody.fingerprints and 0 < number <= custody.left_out.get(item.of, 0)


def data(facts: PreflightFacts) -> Outcome:
    if facts.custody.problem:
        return Skip("the vault cannot be opened")
    if not facts.data:
        return Skip("no database of ours is deployed, or no engine answers")
    allowed = facts.wanted.start_empty
    reasons = [reason for item in facts.data if not (item.gone and allowed) and (reason := refusal(item)) is not None]
    if reasons:
        return Obstacle("; ".join(f"{one.what}: {one.why}" for one in reasons), "; ".join(one.fix for one in reasons))
    hidden = [item for item in facts.data if item.content is Content.HIDDEN and item.claim is None]
    if hidden:
        return Warn(
            "; ".join(f"the {item.place} may not be looked at by us" for item in hidden),
            "run `sudo invoke doctor` to have it checked",
        )
    return Ok("; ".join(f"the {item.place} holds {item.content.value}" for item in facts.data))


def certificate_fits(facts: PreflightFacts) -> Outcome:
    if facts.custody.spoiled:
        name, why = next(iter(facts.custody.spoiled.items()))
        return Obstacle(f"{name}: {why}", f"invoke secrets.import {name} FILE, with a PEM file")
    misfits = [item.name for item in facts.custody.certificates if not item.fits_key]
    if misfits:
        key = misfits[0].replace("cert-", "key-")
        return Obstacle(f"{misfits[0]} is for another key than {key}", "import both again, the key and its certificate")
    return Ok("it is for our key") if facts.custody.certificates else Skip("there is none yet")


def certificate_dates(facts: PreflightFacts) -> Outcome:
    outcomes = [certificate_dates_of(item, facts.machine.now) for item in facts.custody.certificates]
    return max(outcomes, key=_gravity, default=Skip("there is none yet"))


def _gravity(outcome: Outcome) -> int:
    return (Skip, Ok, Warn, Obstacle).index(type(outcome))


def certificate_names(facts: PreflightFacts) -> Outcome:
    outcomes = [_names(item) for item in facts.custody.certificates]
    return max(outcomes, key=_gravity, default=Skip("there is none yet"))


def _names(item: HeldCertificate) -> Outcome:
    if not item.lacking:
        return Ok("all names")
    if item.ours:
        return Ok(f"a new {item.name} with {', '.join(item.lacking)} will be made")
    return Warn(
        f"{item.name} is not for {', '.join(item.lacking)}: clients that use them are refused",
        "have it issued for these names too, or use the names it has",
    )


CHECKS = (
    Check("vault", "Can the vault be opened, or made?", vault),
    Check("vault-key", "Is its key kept apart from it?", vault_key),
    Check("password-files", "Are files with passwords closed to others?", exposed_files),
    Check(WEAK, "Is any value a placeholder, a well-known default, or too short?", weak_values),
    Check("secrets-shared", "Does any password serve twice?", shared_values),
    Check("secrets-loose", "Does any secret stand in the clear among the variables?", loose_values),
    Check("names-secrets", "Are the secrets' names ours?", secrets_by_hand),
    Check("secrets-in-swarm", "Does the swarm hold what the vault holds?", secrets_of_vault),
    Check("data", "Does each database's data belong to this vault, and can it be started on?", data),
    Check("certificate-key", "Does the certificate fit its key?", certificate_fits),
    Check("certificate-dates", "Is every certificate valid, and for more than 60 days?", certificate_dates),
    Check("certificate-names", "Is it for every name that clients use?", certificate_names),
)
