"""FlowKit on Docker Swarm: `invoke --list` shows the commands, `invoke --help COMMAND` explains one."""

from invoke.collection import Collection

from secrets_quickstart.tasks import (
    backups,
    certs,
    deploying,
    doctor,
    etl,
    flowapi,
    flowauth,
    hosts,
    images,
    people,
    removing,
    schema,
    secrets_of_stack,
    swarm,
    upgrading,
    verify,
    watching,
)

ns = Collection(
    *(deploying.quickstart, deploying.deploy, deploying.plan, verify.verify, doctor.doctor),
    *(watching.status, watching.top, watching.logs, watching.audit_, schema.schema),
    *(backups.restore, upgrading.upgrade, removing.down, removing.purge),
    *(backups, secrets_of_stack, certs, hosts, images, swarm, flowapi, flowauth, etl, people),
)
