"""The server's configuration: one table of settings, four places they come from.

A setting is a flag (`--retain-age`), an environment variable (`WATCHD_RETAIN_AGE`) and a key of the TOML file named
with `--config` (`retain_age`). The flag wins over the environment, the environment over the file, the file over the
default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec

from watchd.failures import Failure
from watchd.values import (
    CONTROLLERS,
    Address,
    Durability,
    Network,
    PortRange,
    one_of,
    parse_address,
    parse_alpn,
    parse_bool,
    parse_controllers,
    parse_durability,
    parse_duration,
    parse_names,
    parse_pairs,
    parse_path,
    parse_port_range,
    parse_service_ranges,
    parse_size,
    parse_workers,
)


class ConfigError(Failure):
    """A setting that cannot be used. The message is one line and names the setting where it was given."""

    exit_status = 2
    """The command line or the configuration makes no sense."""


class About(msgspec.Struct, frozen=True):
    """What is said of a setting beside its name and default: the annotation of a field of Config."""

    parse: Callable[[str], Any]
    """Reads the text of a flag or variable. Raises ValueError."""
    help: str
    metavar: str = ""
    """Shown for the flag's value; empty for a switch."""
    shown: str = ""
    """How the help writes the default, where it is not the value's own text."""


class Setting(msgspec.Struct, frozen=True):
    """One row of the table of settings."""

    name: str
    """Field of Config and key in the file."""
    about: About
    default: str
    """As the help shows it."""

    @property
    def flag(self) -> str:
        """The command line's name."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment's name."""
        return "WATCHD_" + self.name.upper()


DEFAULT_BIND = Address("127.0.0.1", 6443)
"""The port is the one that Kubernetes clients expect; other machines are let in only when asked."""

DEFAULT_ALPN = ("http/1.1", "h2")
"""HTTP/1.1 first: it costs the server far less, and no client of the protocol needs HTTP/2."""


DEFAULT_SERVICE_RANGE = "10.96.0.0/16"
"""What clusters on one machine use. The reference's own default, 10.0.0.0/24, is deprecated and has room for 254 Services."""

DEFAULT_NODE_PORTS = PortRange(30000, 32767)
"""The reference's."""


class Config(msgspec.Struct, frozen=True):
    """What `watchd serve` is told. Durations are in seconds, sizes in bytes."""

    data_dir: Annotated[
        Path | None,
        About(
            parse_path,
            "Directory of the log, the certificates, the admin token and the kubeconfig; made at the first start. With "
            "--memory it holds the credentials only.",
            "DIR",
            "$XDG_DATA_HOME/watchd, or ~/.local/share/watchd; a temporary one with --memory",
        ),
    ] = None
    bind: Annotated[
        Address, About(parse_address, "Where to listen with TLS; port 0 takes any free one.", "ADDR:PORT")
    ] = DEFAULT_BIND
    insecure_http: Annotated[
        Address | None,
        About(
            parse_address,
            "Listen here too, without TLS. Tokens are asked for as ever, and travel in the clear: loopback addresses "
            "only.",
            "ADDR:PORT",
            "off",
        ),
    ] = None
    tls_san: Annotated[
        tuple[str, ...],
        About(
            parse_names,
            "More host names and addresses for the server's certificate, comma-separated.",
            "NAMES",
            "none",
        ),
    ] = ()
    token_auth_file: Annotated[
        Path | None,
        About(
            parse_path, 'CSV file of further tokens, one a line: token,user,uid,"group1,group2".', "FILE", "none"
        ),
    ] = None
    anonymous_auth: Annotated[
        bool,
        About(
            parse_bool,
            "Treat requests without a credential as system:anonymous, who may read /healthz, /livez, /readyz and "
            "/version; with --no-anonymous-auth they are all answered 401.",
        ),
    ] = True
    memory: Annotated[
        bool,
        About(
            parse_bool,
            "Keep everything in memory and lose it at the end: no disk is touched but for the credentials.",
        ),
    ] = False
    durability: Annotated[
        Durability,
        About(
            parse_durability,
            "strict: a write is answered after fsync. relaxed: a power cut may lose answered writes and reuse their "
            "resourceVersions for others.",
            "strict|relaxed",
        ),
    ] = Durability.STRICT
    retain_age: Annotated[
        float, About(parse_duration, "How long superseded versions and watch history stay.", "DURATION", "1h")
    ] = 3600.0
    retain_bytes: Annotated[
        int,
        About(
            parse_size,
            "How much superseded versions and watch history may take; wins over --retain-age.",
            "SIZE",
            "1GiB",
        ),
    ] = 1 << 30
    max_bytes: Annotated[
        int,
        About(
            parse_size, "Refuse writes with 507 once the log takes so much disk; 0 leaves it to the disk.", "SIZE"
        ),
    ] = 0
    workers: Annotated[
        int,
        About(
            parse_workers,
            "Processes that serve, one for each core at the most. With more than one, node ports of Services are not allocated.",
            "NUMBER",
        ),
    ] = 1
    event_ttl: Annotated[float, About(parse_duration, "How long Events are kept.", "DURATION", "1h")] = 3600.0
    service_cluster_ip_range: Annotated[
        tuple[Network, ...],
        About(
            parse_service_ranges,
            "Range that Services get their cluster IPs from; two, comma-separated, for both IP families, the default one first.",
            "CIDRS",
            DEFAULT_SERVICE_RANGE,
        ),
    ] = parse_service_ranges(DEFAULT_SERVICE_RANGE)
    service_node_port_range: Annotated[
        PortRange, About(parse_port_range, "Range that Services get their node ports from, both ends inclusive.", "FIRST-LAST")
    ] = DEFAULT_NODE_PORTS
    runtime_config: Annotated[
        tuple[tuple[str, str], ...],
        About(
            parse_pairs,
            "Which versions of the built-in kinds are served, comma-separated: GROUP/VERSION=true|false, "
            "GROUP/VERSION/RESOURCE=true|false, and api/all, api/ga, api/beta or api/alpha=true|false for all versions of a stage.",
            "PAIRS",
            "api/ga=true",
        ),
    ] = ()
    controllers: Annotated[
        tuple[str, ...],
        About(
            parse_controllers,
            "Which controllers run: * for all, name for one, -name for all but one, as in *,-garbage. There are "
            + ", ".join(CONTROLLERS)
            + ".",
            "NAMES",
            "*",
        ),
    ] = CONTROLLERS
    alpn: Annotated[
        tuple[str, ...],
        About(
            parse_alpn,
            "Application protocols offered under TLS, the preferred one first.",
            "PROTOCOLS",
            ",".join(DEFAULT_ALPN),
        ),
    ] = DEFAULT_ALPN
    shutdown_delay: Annotated[
        float,
        About(
            parse_duration, "How long to go on serving after SIGTERM while /readyz fails already.", "DURATION", "0"
        ),
    ] = 0.0
    shutdown_grace: Annotated[
        float,
        About(
            parse_duration, "How long requests under way may take after that until they are cut off.", "DURATION", "10s"
        ),
    ] = 10.0
    log_level: Annotated[
        str,
        About(one_of("debug", "info", "warning", "error"), "Least severity that is logged, to stderr.", "LEVEL"),
    ] = "info"

    def __post_init__(self) -> None:
        """Refuse settings that do not go together."""
        if self.insecure_http is not None and not self.insecure_http.loopback:
            raise ConfigError(
                f"insecure_http: {self.insecure_http} can be reached from other machines; without TLS only loopback "
                "addresses are served"
            )
        if self.memory and self.workers > 1:
            raise ConfigError("workers: what is in the memory of one process is not in that of another; leave one of the two out")
        if self.memory and self.durability is Durability.RELAXED:
            raise ConfigError("durability: nothing is durable with memory; leave one of the two out")


def _table() -> dict[str, Setting]:
    hints = get_type_hints(Config, include_extras=True)
    defaults = Config()
    out = {}
    for name in Config.__struct_fields__:
        (about,) = (item for item in hints[name].__metadata__ if isinstance(item, About))
        default = getattr(defaults, name)
        shown = about.shown or (str(default).lower() if isinstance(default, bool) else str(default))
        out[name] = Setting(name, about, shown)
    return out


SETTINGS: Mapping[str, Setting] = _table()
"""Every setting by its name."""


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Return where data goes unless told otherwise (XDG Base Directory Specification)."""
    home = environ.get("XDG_DATA_HOME", "")
    # The specification wants relative paths ignored.
    base = Path(home) if Path(home).is_absolute() else Path("~/.local/share").expanduser()
    return base / "watchd"


def resolve(flags: Mapping[str, str | None], *, environ: Mapping[str, str], file: Path | None = None) -> Config:
    """Put the configuration together.

    Args:
        flags: text of the flags that were given, by setting; None where one was not.
        environ: the environment. Variables that name no setting are no business of ours: Kubernetes itself puts
            WATCHD_PORT into containers beside a Service of that name.
        file: the TOML file.

    Raises:
        ConfigError: an unknown key, a value that cannot be read, settings that do not go together, no such file.

    """
    values: dict[str, Any] = _from_file(file) if file is not None else {}
    for name, setting in SETTINGS.items():
        text, source = environ.get(setting.variable), setting.variable
        flag = flags.get(name)
        if flag is not None:
            text, source = flag, setting.flag
        if text is None:
            continue
        try:
            values[name] = setting.about.parse(text)
        except ValueError as error:
            raise ConfigError(f"{source}: {error}") from error
    config = Config(**values)
    if config.data_dir is None and not config.memory:
        config = msgspec.structs.replace(config, data_dir=default_data_dir(environ))
    return config


def _from_file(path: Path) -> dict[str, Any]:
    # Only here: most servers have no file.
    import difflib  # noqa: PLC0415 - see above
    import tomllib  # noqa: PLC0415 - see above

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    values = {}
    for key, value in document.items():
        # Both spellings are natural: the flag's and TOML's own.
        setting = SETTINGS.get(key.replace("-", "_"))
        if setting is None:
            near = difflib.get_close_matches(key, SETTINGS, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise ConfigError(f'{path}: unknown key "{key}"{hint}')
        try:
            parsed = setting.about.parse(_as_text(value))
        except ValueError as error:
            raise ConfigError(f"{path}: {key}: {error}") from error
        # A path in a file is meant beside that file, wherever the server is started.
        if setting.about.parse is parse_path and not Path(str(value)).expanduser().is_absolute():
            parsed = path.absolute().parent / str(value)
        values[setting.name] = parsed
    return values


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    raise ValueError(f"a {type(value).__name__} cannot be used here")
