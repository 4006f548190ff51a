"""The variables of the deployment itself: stack, images, vault, swarm, hosts entry, logs."""

from __future__ import annotations

from secrets_quickstart.catalog.images import BY_NAME as IMAGES
from secrets_quickstart.catalog.images import FLOWKIT_RELEASE
from secrets_quickstart.catalog.variables.quantities import MB, Duration, Flag, Integer, Size
from secrets_quickstart.catalog.variables.variable import Variable
from secrets_quickstart.catalog.variables.words import Address, AddressPool, Choice, Location, Names, Text

TAG = Text("an image tag such as 1.34.0", r"\w[\w.-]{0,127}")

VARIABLES = (
    Variable(
        "FLOWKIT_STACK",
        # a secret in the swarm is called <stack>_<NAME>_g<generation>, which has to fit in 64 characters
        Text("a stack name: small letters, digits and hyphens, a letter first, at most 20", r"[a-z][a-z0-9-]{0,19}"),
        "flowkit",
        "The name of this deployment. Two with different names can share one swarm.",
    ),
    Variable(
        "FLOWKIT_IMAGES",
        Choice(("auto", "official", "local")),
        "auto",
        "Where images come from: official pulls FlowKit's, local builds those of this folder, "
        "auto pulls if the registry answers and builds if it does not.",
    ),
    Variable(
        "CONTAINER_TAG",
        TAG,
        FLOWKIT_RELEASE,
        "The release of FlowKit's official images; local ones are always this one.",
    ),
    Variable("REDIS_TAG", TAG, IMAGES["redis"].tag, "The tag of the official redis image."),
    Variable("POSTGRES_TAG", TAG, IMAGES["postgres"].tag, "The tag of the official postgres image."),
    Variable("EDGE_TAG", TAG, IMAGES["edge"].tag, "The tag of the official image of the TLS edge."),
    Variable(
        "FLOWKIT_REGISTRY",
        Text(
            "a registry such as registry.example.org:5000/mirror",
            r"([A-Za-z0-9.-]+(:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*/?)?",
        ),
        "",
        "A private registry that has the official images; it comes before their names.",
    ),
    Variable(
        "FLOWKIT_REGISTRY_USER",
        Text("a user name of letters, digits and . _ + - @ $", r"[\w.+@$-]{1,128}"),
        None,
        "Who logs in to that registry.",
        otherwise="what `docker login` left behind is used.",
    ),
    Variable(
        "FLOWKIT_REGISTRY_PASSWORD_FILE",
        Location(),
        None,
        "The file that holds that user's password, readable only by you.",
        otherwise="what `docker login` left behind is used.",
    ),
    Variable(
        "FLOWKIT_VAULT",
        Location(),
        None,
        "The encrypted file that holds every password and key of this deployment. Back it up.",
        otherwise=".flowkit/<stack>/vault in this folder.",
    ),
    Variable(
        "FLOWKIT_VAULT_KEY_FILE",
        Location(),
        None,
        "The key of the vault. Back it up too, in another place.",
        otherwise="~/.config/flowkit/<stack>.key.",
    ),
    Variable(
        "FLOWKIT_VAULT_PASSPHRASE_FILE",
        Location(),
        None,
        "A file with a passphrase, to be used in place of a key file.",
        otherwise="the key file is used.",
    ),
    Variable(
        "PASSWORD_LENGTH",
        Integer(12, 128),
        "16",
        "The length of the passwords that are made from now on. Those that exist stay as they are.",
    ),
    Variable(
        "TLS_NAMES",
        Names(),
        "",
        "More names and addresses for FlowAPI's certificate, besides flowkit.api, flow.api, localhost, 127.0.0.1 and "
        "::1. Commas between them.",
    ),
    Variable(
        "FLOWKIT_PORT_MODE",
        Choice(("host", "ingress")),
        "host",
        "How ports are published: host on the machine that runs the service, ingress on every machine of the swarm "
        "(needs IPVS in the kernel, and FLOWKIT_ENDPOINT_MODE=vip).",
    ),
    Variable(
        "FLOWKIT_ENDPOINT_MODE",
        Choice(("dnsrr", "vip")),
        "dnsrr",
        "How services find each other: dnsrr by DNS, vip through IPVS, which cuts idle database connections.",
    ),
    Variable(
        "FLOWKIT_ADDRESS_POOL",
        AddressPool(),
        "10.88.0.0/16",
        "Where the swarm's networks get their addresses from, if this tool initialises the swarm. "
        "Must not be in use on your site.",
    ),
    Variable(
        "FLOWKIT_DATA_NODE_LABEL",
        Text("a node label such as flowkit.data", r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?"),
        "flowkit.data",
        "FlowDB runs on the one node that has this label with the value true, because its data is there. "
        "A swarm of one node gets it by itself.",
    ),
    Variable(
        "FLOWKIT_DEADLINE",
        Duration(low=10, high=86400),
        "900",
        "How long a deployment may take until every service is healthy.",
    ),
    Variable("FLOWKIT_HOSTS_ENTRY", Flag(), "true", "Whether flowkit.api and flow.api are put into the hosts file."),
    Variable("FLOWKIT_HOSTS_FILE", Location(), "/etc/hosts", "That file."),
    Variable("FLOWKIT_HOSTS_ADDRESS", Address(), "127.0.0.1", "The address that those names get there."),
    Variable(
        "FLOWAUTH_ROLES_FILE",
        Location(),
        "docs/roles.yml",
        "The file that says which roles and limits FlowAPI has in FlowAuth.",
    ),
    Variable("LOG_MAX_SIZE", Size(low=MB), "10MB", "How large one log file of a container may grow."),
    Variable("LOG_MAX_FILE", Integer(1, 1000), "5", "How many log files of a container are kept."),
)
