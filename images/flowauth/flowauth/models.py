"""Models: the tables, as the official FlowAuth has them. No rules."""

from __future__ import annotations

from datetime import datetime

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Column, ForeignKey, String, Table, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flowauth.limits import Limit


class Base(DeclarativeBase):
    pass


database = SQLAlchemy(model_class=Base)

scopes_in_role = Table(
    "scopes_in_role",
    Base.metadata,
    Column("scope_id", ForeignKey("scope.id"), primary_key=True),
    Column("role_id", ForeignKey("role.id"), primary_key=True),
)
users_with_roles = Table(
    "users_with_roles",
    Base.metadata,
    Column("user_id", ForeignKey("user.id"), primary_key=True),
    Column("role_id", ForeignKey("role.id"), primary_key=True),
)


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(75), unique=True)
    password: Mapped[str] = mapped_column("_password", Text)  # argon2
    is_admin: Mapped[bool | None] = mapped_column(default=False)
    require_two_factor: Mapped[bool | None] = mapped_column(default=False)
    two_factor: Mapped[TwoFactor | None] = relationship(back_populates="user", cascade="all, delete-orphan")
    roles: Mapped[list[Role]] = relationship(secondary=users_with_roles, back_populates="users", order_by="Role.id")
    tokens: Mapped[list[Token]] = relationship(cascade="all, delete-orphan")

    @property
    def has_two_factor(self) -> bool:
        return self.two_factor is not None and self.two_factor.enabled

    @property
    def must_set_up_two_factor(self) -> bool:
        return bool(self.require_two_factor) and not self.has_two_factor


class TwoFactor(Base):
    __tablename__ = "two_factor_auth"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=False)
    secret_key: Mapped[str] = mapped_column("_secret_key", Text)  # Fernet
    user: Mapped[User] = relationship(back_populates="two_factor")
    backups: Mapped[list[BackupCode]] = relationship(cascade="all, delete-orphan")


class BackupCode(Base):
    __tablename__ = "two_factor_backup"

    id: Mapped[int] = mapped_column(primary_key=True)
    auth_id: Mapped[int] = mapped_column(ForeignKey("two_factor_auth.user_id"))
    code: Mapped[str] = mapped_column("_backup_code", Text)  # argon2


class Server(Base):
    __tablename__ = "server"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(75), unique=True)
    latest_token_expiry: Mapped[datetime]
    longest_token_life_minutes: Mapped[int]
    scopes: Mapped[list[Scope]] = relationship(back_populates="server", order_by="Scope.id")
    roles: Mapped[list[Role]] = relationship(back_populates="server", order_by="Role.id")

    @property
    def limit(self) -> Limit:
        return Limit(self.latest_token_expiry, self.longest_token_life_minutes)


class Role(Base):
    __tablename__ = "role"
    __table_args__ = (UniqueConstraint("name", "server_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(75))
    server_id: Mapped[int | None] = mapped_column(ForeignKey("server.id"))
    latest_token_expiry: Mapped[datetime]
    longest_token_life_minutes: Mapped[int]
    server: Mapped[Server | None] = relationship(back_populates="roles")
    scopes: Mapped[list[Scope]] = relationship(secondary=scopes_in_role, back_populates="roles", order_by="Scope.id")
    users: Mapped[list[User]] = relationship(secondary=users_with_roles, back_populates="roles", order_by="User.id")

    @property
    def limit(self) -> Limit:
        return Limit(self.latest_token_expiry, self.longest_token_life_minutes)


class Scope(Base):
    __tablename__ = "scope"
    __table_args__ = (UniqueConstraint("name", "server_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(512))
    enabled: Mapped[bool | None] = mapped_column(default=True)
    server_id: Mapped[int | None] = mapped_column(ForeignKey("server.id"))
    server: Mapped[Server | None] = relationship(back_populates="scopes")
    roles: Mapped[list[Role]] = relationship(secondary=scopes_in_role, back_populates="scopes")


class Token(Base):
    __tablename__ = "token_history"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(75))
    token: Mapped[str] = mapped_column("_token", Text)  # Fernet
    expiry: Mapped[datetime]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
