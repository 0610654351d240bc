from __future__ import annotations

import pytest

from watchd.health import LIVEZ, READYZ, Health, Report


@pytest.fixture
def health():
    health = Health()
    health.add("log", lambda: None)
    health.add("bad", lambda: "this will fail", [READYZ])
    health.started()
    return health


def test_a_success_is_ok(health):
    assert health.report("livez") == Report(200, "ok")
    assert health.report("livez", verbose=True) == Report(200, "[+]ping ok\n[+]log ok\nlivez check passed\n")


def test_a_failure_lists_the_checks_and_keeps_the_reason(health):
    text = "[+]ping ok\n[+]startup ok\n[+]shutdown ok\n[+]log ok\n[-]bad failed: reason withheld\nreadyz check failed\n"
    assert health.report("readyz") == Report(500, text)
    assert not health.ready


def test_a_single_check_tells_its_reason(health):
    assert health.report("readyz", "log") == Report(200, "ok")
    assert health.report("readyz", "bad") == Report(500, "internal server error: this will fail\n")
    assert health.report("livez", "bad") is None
    assert health.report("readyz", "absent") is None


def test_excluded_checks_do_not_count(health):
    assert health.report("readyz", exclude=["bad"]) == Report(200, "ok")
    report = health.report("readyz", exclude=["bad", "absent"], verbose=True)
    assert report.status == 200
    assert "[+]bad excluded: ok\n" in report.text
    assert 'warn: some health checks cannot be excluded: no matches for "absent"\n' in report.text


def test_ready_between_start_and_stop():
    health = Health()
    assert not health.ready
    assert health.report("readyz").status == 500
    assert health.report(LIVEZ).status == 200
    health.started()
    assert health.ready
    health.stopping()
    assert not health.ready
    assert "[-]shutdown failed" in health.report("readyz").text
    assert health.report(LIVEZ).status == 200
