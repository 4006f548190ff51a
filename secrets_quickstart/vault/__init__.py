"""Secret values at rest, encrypted: the truth of which the swarm holds copies; not where a value comes from."""

from secrets_quickstart.vault.contents import Entry, Origin
from secrets_quickstart.vault.key import Key, KeyFile, PassphraseFile, key_of, read_passphrase
from secrets_quickstart.vault.lock import vault_lock
from secrets_quickstart.vault.vault import Vault

__all__ = ["Entry", "Key", "KeyFile", "Origin", "PassphraseFile", "Vault", "key_of", "read_passphrase", "vault_lock"]
