"""FlowAuth, asked over HTTPS by one person, as its web page asks it; what admins do there is in `flowauth_admin`.

The official FlowAuth and the local one have the same interface: a session cookie, and a CSRF token in a second cookie
that goes back as a header with whatever changes something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from secrets_quickstart.clients import https
from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.clients.flowauth_records import SignedIn, TwoFactorOffer
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

T = TypeVar("T")

LOG_FIX = "see its log: invoke logs flowauth"
AGAIN = "run this again"
TOO_OLD = "FlowAuth has to be 1.18.1 or later: see its release with invoke verify"
CSRF_COOKIE, CSRF_HEADER = "X-CSRF", "X-CSRF-Token"


class CodeNeeded(Refused):
    """The password is right, and a two-factor code is asked for beside it."""


class TooManyAttempts(Refused):
    """FlowAuth listens to nobody under this name, or from here, for a while."""


class FlowauthClient:
    """One person's session, from signing in until it is closed."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection, and forget the cookies: the session ends by itself."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def version(self) -> str:
        """FlowAuth's release; it says so to anybody."""
        return self._get("/version", "say its release", lambda reply: str(reply["version"]))

    def sign_in(self, user: str, password: Sensitive, code: str = "") -> SignedIn:
        """Raises Refused for a wrong password or code, CodeNeeded without a code that has to be, TooManyAttempts."""
        body = {"username": user, "password": password.text()}
        if code:
            body["two_factor_code"] = code
        return self._ask(
            "POST",
            "/signin",
            f"let {user} in",
            body,
            lambda reply: SignedIn(bool(reply["is_admin"]), bool(reply.get("require_two_factor_setup"))),
        )

    def is_signed_in(self) -> bool:
        try:
            return self._get("/is_signed_in", "say who is signed in", lambda reply: bool(reply["logged_in"]))
        except Refused:
            return False

    def sign_out(self) -> None:
        self._get("/signout", "sign out", _anything)

    def change_password(self, old: Sensitive, new: Sensitive) -> None:
        """One's own.  Raises ServiceError when the old one is wrong, or the new one too weak."""
        body = {"password": old.text(), "newPassword": new.text()}
        self._do("PATCH", "/user/password", "change the password", body)

    def has_two_factor(self) -> bool:
        attempt = "say whether two-factor authentication is on"
        return self._get("/user/two_factor_active", attempt, lambda reply: bool(reply["two_factor_enabled"]))

    def offer_two_factor(self) -> TwoFactorOffer:
        """Begin to set two-factor authentication up; it is not on before `confirm_two_factor`."""
        return self._ask("POST", "/user/enable_two_factor", "offer two-factor authentication", {}, _offer)

    def confirm_two_factor(self, offer: TwoFactorOffer, code: str) -> None:
        """From now on every sign-in needs a code.  Raises Refused for a wrong one."""
        body = {
            "two_factor_code": code,
            "secret": offer.signed_secret.text(),
            "backup_codes_signature": offer.signed_backup_codes.text(),
        }
        self._do("POST", "/user/confirm_two_factor", "take the two-factor code", body)

    def disable_two_factor(self) -> None:
        self._do("POST", "/user/disable_two_factor", "switch two-factor authentication off", {})

    def own_servers(self) -> tuple[str, ...]:
        """The FlowAPIs for which one may have tokens."""
        return tuple(self._own_servers())

    def make_token(self, server: str, name: str, roles: Sequence[str]) -> Sensitive:
        """A token with these roles of one's own on that server; how long it lives is FlowAuth's choice.

        Raises Refused without the role, or without any on that server.
        """
        number = self._own_servers().get(server)
        if number is None:
            raise Refused(
                f"FlowAuth did not make a token for {server}",
                why="this user has no role there",
                fix="an admin gives roles: invoke flowauth.link",
            )
        return self.ask_for_token(number, name, roles)

    def ask_for_token(self, number: int, name: str, roles: Sequence[str]) -> Sensitive:
        """The same by the server's number, without looking first whether there is any to be had.  Raises Refused."""
        body = {"name": name, "roles": [{"name": role} for role in roles]}
        path = f"/tokens/tokens/{number}"
        return self._ask("POST", path, "make a token", body, lambda reply: Sensitive(str(reply["token"])))

    def _own_servers(self) -> dict[str, int]:
        return self._get(
            "/tokens/servers",
            "list this user's servers",
            lambda reply: {str(row["server_name"]): int(row["id"]) for row in reply},
        )

    def _get(self, path: str, attempt: str, read: Callable[[Any], T]) -> T:
        return self._ask("GET", path, attempt, None, read)

    def _do(self, method: str, path: str, attempt: str, body: Mapping[str, Any]) -> None:
        self._ask(method, path, attempt, body, _anything)

    def _ask(self, method: str, path: str, attempt: str, body: Mapping[str, Any] | None, read: Callable[[Any], T]) -> T:
        """What `read` makes of the answer's JSON.  `attempt` completes the sentence "FlowAuth did not ..."."""
        with https.translated("FlowAuth", self.place, "see whether its edge runs: invoke status"):
            if self._client is None:
                self._client = https.open_client(self.place)
            headers = {"Referer": f"{self.place.origin}/"}  # over HTTPS the official FlowAuth insists on it
            if token := self._client.cookies.get(CSRF_COOKIE):
                headers[CSRF_HEADER] = token
            asked = https.request(self._client, self.place, method, path, json=body, headers=headers)
            answer = self._client.send(asked)
        try:
            content = answer.json()
        except ValueError:
            content = None
        if answer.status_code == 200 and content is not None:
            try:
                return read(content)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                raise ServiceError(
                    f"FlowAuth did not {attempt} as it should", why="its answer has another form", fix=TOO_OLD
                ) from None
        raise refusal(attempt, answer.status_code, content, answer.text, answer.headers.get("Retry-After", ""))


def _anything(reply: Any) -> None:
    """For an answer that says no more than its status."""


def _offer(reply: Any) -> TwoFactorOffer:
    from urllib.parse import parse_qs, urlsplit

    return TwoFactorOffer(
        Sensitive(parse_qs(urlsplit(str(reply["provisioning_url"])).query)["secret"][0]),
        tuple(Sensitive(str(code)) for code in reply["backup_codes"]),
        Sensitive(str(reply["secret"])),
        Sensitive(str(reply["backup_codes_signature"])),
    )


def refusal(attempt: str, status: int, content: Any, text: str, retry_after: str) -> ServiceError:
    """What an answer other than 200 with JSON means, as the error to raise."""
    what = f"FlowAuth did not {attempt}"
    reply = content if isinstance(content, dict) else {}
    why = _reason(reply) or (text if len(text) < 80 and "<" not in text and content is None else "")
    why = why.strip() or f"status {status}, and it gives no reason"
    match status:
        case 429:
            wait = f"{retry_after} seconds" if retry_after.isdigit() else "a few minutes"
            return TooManyAttempts(what, why=why, fix=f"wait {wait}, then {AGAIN}")
        case 400 if reply.get("need_two_factor"):
            return CodeNeeded(what, why=why, fix="give the two-factor code as well: --code")
        case 401 if reply.get("require_two_factor_setup"):
            return Forbidden(what, why=why, fix="sign in on FlowAuth's page and set it up")
        case 401:
            return Refused(what, why=why, fix=_fix_of_401(why))
        case 403:
            return Forbidden(what, why=why, fix="sign in as somebody who may")
        case 404:
            return ServiceError(what, why=why, fix=f"somebody else may have removed it just now: {AGAIN}")
        case 409 | 503:
            return ServiceError(what, why=why, fix=f"{AGAIN}; if it stays so, {LOG_FIX}")
        case 400 | 413:
            return ServiceError(what, why=why, fix="correct what it names, then run this again")
        case 502 | 504:
            return ServiceError(what, why="the edge answers in its place", fix=LOG_FIX)
        case _:
            return ServiceError(what, why=why, fix=LOG_FIX)


def _reason(reply: Mapping[str, Any]) -> str:
    """FlowAuth's own words; they never quote a password."""
    suggestions = reply.get("suggestions")
    more = [str(text) for text in suggestions] if isinstance(suggestions, list) else []
    return " ".join(str(text).strip() for text in (reply.get("message", ""), *more) if text)


def _fix_of_401(why: str) -> str:
    if "password" in why:
        return "give the right name and password; the admin's are invoke secrets.show FLOWAUTH_ADMIN_PASSWORD"
    if "ode" in why:
        return "wait for the app's next code, and give that one"
    return AGAIN
