from __future__ import annotations

from pathlib import Path

import pytest

from watchd.config import SETTINGS, Config, ConfigError, default_data_dir, resolve
from watchd.values import (
    Address,
    Durability,
    parse_address,
    parse_alpn,
    parse_bool,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("150s", 150), ("1h", 3600), ("1h30m", 5400), ("500ms", 0.5), ("1.5h", 5400), ("2d", 172800)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "1 h", "h", "-1s", "1h30", "1w", "1h ", "\u0661s"])
def test_bad_durations_are_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("4096", 4096), ("1GiB", 1 << 30), ("512 MiB", 512 << 20), ("10MB", 10_000_000), ("1.5KiB", 1536)]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1gib", "1GiBs", "1e9"])
def test_bad_sizes_are_refused(text):
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "address", "written"),
    [
        ("127.0.0.1:6443", Address("127.0.0.1", 6443), "127.0.0.1:6443"),
        ("[::1]:0", Address("::1", 0), "[::1]:0"),
        ("localhost:80", Address("localhost", 80), "localhost:80"),
    ],
)
def test_addresses(text, address, written):
    assert parse_address(text) == address
    assert str(address) == written


@pytest.mark.parametrize("text", ["", "6443", ":6443", "::1:6443", "127.0.0.1", "host:", "host:70000", "a b:1", "[x]:1"])
def test_bad_addresses_are_refused(text):
    with pytest.raises(ValueError, match=r"ADDR:PORT|ports go up to"):
        parse_address(text)


def test_loopback_and_reachable():
    assert Address("127.0.0.9", 1).loopback
    assert Address("::1", 1).loopback
    assert Address("localhost", 1).loopback
    assert not Address("0.0.0.0", 1).loopback
    assert not Address("example.com", 1).loopback
    assert Address("0.0.0.0", 5).reachable() == Address("127.0.0.1", 5)
    assert Address("::", 5).reachable() == Address("::1", 5)
    assert Address("10.0.0.7", 5).reachable() == Address("10.0.0.7", 5)


def test_bad_words_are_refused():
    with pytest.raises(ValueError, match="true or false"):
        parse_bool("maybe")
    for text in ("", "h3", "h2,h2"):
        with pytest.raises(ValueError, match=r"is not one of|does not name"):
            parse_alpn(text)


def test_precedence_is_flag_environment_file_default(tmp_path):
    file = tmp_path / "watchd.toml"
    file.write_text('retain_age = "10m"\nretain-bytes = "1MiB"\nevent_ttl = "5m"\nmemory = true\n')
    environ = {"WATCHD_RETAIN_AGE": "20m", "WATCHD_RETAIN_BYTES": "2MiB"}
    config = resolve({"retain_age": "30m", "retain_bytes": None}, environ=environ, file=file)
    assert config.retain_age == 1800
    assert config.retain_bytes == 2 << 20
    assert config.event_ttl == 300
    assert config.memory is True
    assert config.max_bytes == 0


def test_lists_and_numbers_of_toml(tmp_path):
    file = tmp_path / "watchd.toml"
    file.write_text('alpn = ["h2", "http/1.1"]\nmax_bytes = 4096\ntls_san = ["api.example.com"]\nanonymous_auth = false\n')
    config = resolve({}, environ={}, file=file)
    assert config.alpn == ("h2", "http/1.1")
    assert config.max_bytes == 4096
    assert config.tls_san == ("api.example.com",)
    assert config.anonymous_auth is False


def test_paths_of_a_file_are_meant_beside_it(tmp_path):
    file = tmp_path / "watchd.toml"
    file.write_text('data_dir = "data"\ntoken_auth_file = "/etc/tokens.csv"\n')
    config = resolve({}, environ={}, file=file)
    assert config.data_dir == tmp_path / "data"
    assert config.token_auth_file == Path("/etc/tokens.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('bnid = "127.0.0.1:1"\n', 'unknown key "bnid"; did you mean "bind"?'),
        ("nothing_like_it = 1\n", 'unknown key "nothing_like_it"'),
        ('bind = "x"\n', 'bind: "x" is not ADDR:PORT'),
        ("bind = 1.5\n", "bind: a float cannot be used here"),
        ("[bind]\nhost = 1\n", "bind: a dict cannot be used here"),
        ("bind = \n", "Invalid value"),
        ('durability = "lax"\n', '"lax" is not one of strict, relaxed'),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path, content, message):
    file = tmp_path / "watchd.toml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        resolve({}, environ={}, file=file)
    text = str(caught.value)
    assert message in text
    assert text.startswith(str(file))
    assert "\n" not in text


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        resolve({}, environ={}, file=tmp_path / "absent.toml")


def test_errors_name_where_the_value_came_from():
    with pytest.raises(ConfigError, match=r"^WATCHD_RETAIN_AGE: "):
        resolve({}, environ={"WATCHD_RETAIN_AGE": "soon"})
    with pytest.raises(ConfigError, match=r"^--retain-age: "):
        resolve({"retain_age": "soon"}, environ={"WATCHD_RETAIN_AGE": "1h"})


def test_other_variables_are_left_alone():
    assert resolve({}, environ={"WATCHD_PORT": "tcp://10.0.0.1:80", "WATCHD_REQUIRE": "all"}).bind.port == 6443


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(ConfigError, match="loopback"):
        resolve({"insecure_http": "0.0.0.0:8080"}, environ={})
    with pytest.raises(ConfigError, match="durable"):
        Config(memory=True, durability=Durability.RELAXED)
    with pytest.raises(ConfigError, match="workers"):
        Config(memory=True, workers=2)


@pytest.mark.parametrize("text", ["0", "65", "-1", "two", "1.5", "", "²"])
def test_workers_are_a_small_number(text):
    assert resolve({"workers": "2"}, environ={}).workers == 2
    with pytest.raises(ConfigError, match="is not a number from 1 to 64"):
        resolve({"workers": text}, environ={})


def test_the_default_data_directory(tmp_path):
    assert default_data_dir({"XDG_DATA_HOME": str(tmp_path)}) == tmp_path / "watchd"
    assert default_data_dir({"XDG_DATA_HOME": "relative"}) == Path("~/.local/share/watchd").expanduser()
    assert resolve({}, environ={"XDG_DATA_HOME": str(tmp_path)}).data_dir == tmp_path / "watchd"
    assert resolve({"memory": "true"}, environ={}).data_dir is None


def test_every_shown_default_is_the_default():
    for name, setting in SETTINGS.items():
        default = getattr(Config(), name)
        if default in (None, ()):
            continue
        assert setting.about.parse(setting.default) == default, name
