"""The ranges that Services get addresses and ports from, as settings."""

from __future__ import annotations

import pytest

from watchd.config import Config, ConfigError, resolve
from watchd.values import PortRange, parse_port_range, parse_service_ranges


@pytest.mark.parametrize("text", ["10.96.0.0/16", "10.96.0.0/12,fd00:96::/112", "fd00::/112, 10.0.0.0/24"])
def test_ranges(text):
    assert ",".join(map(str, parse_service_ranges(text))) == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "one range is wanted"),
        ("10.0.0.0", "at least"),
        ("10.0.0.1/8", "is not a range of addresses"),
        ("x/8", "is not a range of addresses"),
        ("10.0.0.0/31", "at least"),
        ("10.0.0.0/24,10.1.0.0/24", "one of IPv4 and one of IPv6"),
    ],
)
def test_bad_ranges_are_refused(text, why):
    with pytest.raises(ValueError, match=why):
        parse_service_ranges(text)


def test_ports():
    assert parse_port_range("30000-32767") == PortRange(30000, 32767)
    assert str(parse_port_range("80-80")) == "80-80"


@pytest.mark.parametrize("text", ["", "80", "80-", "-80", "90-80", "0-80", "1-70000", "a-b", "1-2-3", "\u0661-\u0662"])
def test_bad_ports_are_refused(text):
    with pytest.raises(ValueError, match="is not a range of ports"):
        parse_port_range(text)


def test_they_are_settings_like_others():
    config = resolve({"service_cluster_ip_range": "10.1.0.0/16"}, environ={"WATCHD_SERVICE_NODE_PORT_RANGE": "80-90", "WATCHD_MEMORY": "1"})
    assert (config.service_cluster_ip_range, config.service_node_port_range) == (parse_service_ranges("10.1.0.0/16"), PortRange(80, 90))
    with pytest.raises(ConfigError, match="WATCHD_SERVICE_NODE_PORT_RANGE"):
        resolve({}, environ={"WATCHD_SERVICE_NODE_PORT_RANGE": "x", "WATCHD_MEMORY": "1"})
    assert str(Config(memory=True).service_cluster_ip_range[0]) == "10.96.0.0/16"
