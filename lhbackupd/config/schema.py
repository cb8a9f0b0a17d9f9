"""The configuration as people write it: every key with its unit, default and reason.

`example` prints these descriptions and `loading` checks by these types, so there is no second place where a key is
known. Defaults that decisions rest on are taken from the core's own values. `value` turns a section into those.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from lhbackupd.config import values
from lhbackupd.config.match import ExcludeSection
from lhbackupd.config.notify import Notify
from lhbackupd.config.policy import Policy
from lhbackupd.config.section import Amount, FilePath, History, Label, Lease, Section, Span, conflict
from lhbackupd.core import model

_LIMITS, _RETRY = model.Limits(), model.Retry()


class Longhorn(Section):
    """Where Longhorn's REST API is, and what a proxy in front of it wants to see."""

    url: Annotated[str, BeforeValidator(values.read_longhorn_url)] = Field(
        default="http://longhorn-backend:9500",
        description="Address of the API, without /v1. Inside the cluster: the service of longhorn-manager.",
    )
    ca_file: FilePath | None = Field(
        default=None,
        examples=["/etc/lhbackupd/ca.crt"],
        description="PEM file of the authority that signed the server's certificate. Default: the system's.",
    )
    client_cert: FilePath | None = Field(
        default=None,
        examples=["/etc/lhbackupd/client.crt"],
        description="PEM file of our own certificate, for a proxy that asks for one (mTLS).",
    )
    client_key: FilePath | None = Field(
        default=None,
        examples=["/etc/lhbackupd/client.key"],
        description="PEM file of its key, if that is not in the same file.",
    )
    token_file: FilePath | None = Field(
        default=None,
        examples=["/etc/lhbackupd/token"],
        description="File with a bearer token. Secrets are only ever named by file, never written here.",
    )
    username: Annotated[str, BeforeValidator(values.read_user)] | None = Field(
        default=None, examples=["backup"], description="User name for basic authentication."
    )
    password_file: FilePath | None = Field(
        default=None, examples=["/etc/lhbackupd/password"], description="File with that user's password."
    )
    timeout: Span = Field(
        default=timedelta(seconds=30),
        description="Duration. How long one request may take; lists of many volumes are large.",
    )
    poll: Span = Field(
        default=timedelta(seconds=15),
        description="Duration. How often settings, volumes, nodes and targets are read when nothing runs.",
    )

    lease: Lease = Field(
        default=timedelta(minutes=15),
        description="Duration. How long an attachment ticket of ours is good for without being renewed: after that it "
        "is given back even if the journal that knows it is lost.",
    )

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if (self.username is None) != (self.password_file is None):
            raise conflict("one of username and password_file", "both of them, or neither")
        if self.token_file and self.username:
            raise conflict("token_file and username", "one way to log in: a token, or a user with a password")
        if self.client_key and not self.client_cert:
            raise conflict("client_key without client_cert", "client_cert, with or without client_key")
        return self


class State(Section):
    """Where schedules and the journal of runs are kept."""

    url: Annotated[str, BeforeValidator(values.read_state_url)] = Field(
        default="sqlite:////var/lib/lhbackupd/state.db",
        repr=False,
        description="SQLAlchemy URL. SQLite wants an absolute path (four slashes) on a local disk, not on NFS; and not"
        " on a volume that this daemon backs up.",
    )
    history: History = Field(
        default=timedelta(days=90),
        description="Duration. How long finished runs stay in the journal; backups are not touched by it.",
    )

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database; None for another kind."""
        scheme, _, rest = self.url.partition("://")
        return Path(rest.removeprefix("/").partition("?")[0]) if scheme.startswith("sqlite") else None


class Limits(Section):
    """How many volumes may be held or backed up at once."""

    cluster: Amount = Field(default=_LIMITS.cluster, description="Count. In the whole cluster.")
    per_node: Amount = Field(
        default=_LIMITS.per_node,
        description="Count. On one node: its replicas, network and instance manager do the work.",
    )
    per_target: Amount = Field(default=_LIMITS.per_target, description="Count. Into one backup target.")

    def value(self) -> model.Limits:
        return model.Limits(cluster=self.cluster, per_node=self.per_node, per_target=self.per_target)


class Http(Section):
    """Metrics, probes and the status page. They only read."""

    listen: Annotated[str, BeforeValidator(values.read_listen)] = Field(
        default="127.0.0.1:9595",
        description='host:port, or "off". There is no password: bind to another address only behind something that'
        " asks for one.",
    )

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port (0: any free one), or None if nothing listens."""
        return values.split_listen(self.listen)


class Control(Section):
    """Where commands that change something reach the daemon."""

    socket: Annotated[Path, BeforeValidator(values.read_socket)] = Field(
        default=Path("/run/lhbackupd/control.sock"),
        description="Absolute path of a unix socket; who may use it is a matter of its group (mode 0660).",
    )


class Log(Section):
    """What the daemon logs, and how."""

    format: Annotated[Literal["auto", "json", "console"], values.one_of("auto", "json", "console")] = Field(
        default="auto", description='"json", "console", or "auto": console on a terminal, else JSON.'
    )
    level: Annotated[
        Literal["debug", "info", "warning", "error"], values.one_of("debug", "info", "warning", "error")
    ] = Field(
        default="info", description='"debug", "info", "warning" or "error". A run says one line per move at info.'
    )


class Retry(Section):
    """When a failed run is tried again: after `first`, then later each time, up to `longest`."""

    first: Span = Field(default=_RETRY.first, description="Duration. Until the second attempt.")
    longest: Span = Field(
        default=_RETRY.longest, description="Duration. An outage of hours must not use up the night's attempts at once."
    )

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.first > self.longest:
            raise conflict("first longer than longest", "first at most as long as longest")
        return self

    def value(self) -> model.Retry:
        return model.Retry(first=self.first, longest=self.longest)


#: sections whose changes a reload puts in force; those of all others want a restart
RELOADED = frozenset({"limits", "retry", "policy", "exclude"})


class Settings(BaseSettings):
    """The whole configuration, from layers of which the first wins."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    instance: Label = Field(
        default="lhbackupd",
        description="Our name towards Longhorn, in every attachment ticket. Two daemons on one Longhorn need two.",
    )
    longhorn: Longhorn = Field(default_factory=Longhorn)
    state: State = Field(default_factory=State)
    limits: Limits = Field(default_factory=Limits)
    http: Http = Field(default_factory=Http)
    control: Control = Field(default_factory=Control)
    log: Log = Field(default_factory=Log)
    retry: Retry = Field(default_factory=Retry)
    notify: Notify = Field(default_factory=Notify)
    policy: tuple[Policy, ...] = Field(default=())
    exclude: tuple[ExcludeSection, ...] = Field(
        default=(), examples=[{"reason": "scratch space, made anew by its job", "namespace": ["ci"], "pvc": ["work-*"]}]
    )

    def __init__(self, *, layers: tuple[Mapping[str, Any], ...]) -> None:
        super().__init__(layers=layers)

    @classmethod
    @override
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The given layers and nothing else: the process's environment is read in `loading`, which knows its names."""
        return tuple(_Layer(settings_cls, layer) for layer in init_settings()["layers"])


class _Layer(PydanticBaseSettingsSource):
    """Values that are read already."""

    def __init__(self, settings_cls: type[BaseSettings], layer: Mapping[str, Any]) -> None:
        super().__init__(settings_cls)
        self._layer = layer

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._layer.get(field_name), field_name, False

    @override
    def __call__(self) -> dict[str, Any]:
        return dict(self._layer)
