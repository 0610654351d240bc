from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchd.api.continuation import EXPIRED, INCONSISTENT, Continuation, expired_continuation
from watchd.status import StatusError


def raw(text):
    data = text if isinstance(text, bytes) else text.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def of(token):
    return json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))


def test_the_wire_form():
    token = Continuation.after(251, "cm1").encode()
    assert "=" not in token
    assert base64.urlsafe_b64decode(token + "==") == b'{"v":"meta.k8s.io/v1","rv":251,"start":"/cm1\\u0000"}'
    assert of(Continuation(INCONSISTENT, "churn\0").encode()) == {"v": "meta.k8s.io/v1", "rv": -1, "start": "churn\0"}
    assert of(Continuation.after(7, "ns/a", 3).encode())["remaining"] == 3


@given(st.integers(1, 1 << 62) | st.just(-1), st.from_regex(r"([a-z]{1,5}/)?[a-z.]{0,3}[a-z]", fullmatch=True), st.none() | st.integers(0, 99))
def test_round_trip(revision, last, remaining):
    continuation = Continuation.after(revision, last, remaining)
    assert Continuation.decode(continuation.encode()) == continuation


def test_a_token_of_the_reference_is_understood():
    assert Continuation.decode(raw('{"v":"meta.k8s.io/v1","rv":251,"start":"/ns/cm1\\u0000"}')) == Continuation(251, "ns/cm1\0")


BAD = "invalid continue token: continue key is not valid"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("rubbish", ": invalid character '®' looking for beginning of value"),
        ("e30", ": server does not recognize this encoded version "),
        ("bogus", ": illegal base64 data at input byte 4"),
        ("a+b", ": illegal base64 data at input byte 1"),
        ("aa==", ": illegal base64 data at input byte 2"),
        (raw('{"v":'), ": unexpected end of JSON input"),
        (raw('{"v" 1}'), ": invalid character '1' after object key"),
        (raw("{} x"), ": invalid character 'x' after top-level value"),
        (raw("[1]"), ": json: cannot unmarshal array into Go value of type storage.continueToken"),
        (raw('{"rv":"1"}'), ": json: cannot unmarshal string into Go struct field continueToken.rv of type int64"),
        (raw('{"rv":1.5}'), ": json: cannot unmarshal number 1.5 into Go struct field continueToken.rv of type int64"),
        (raw('{"rv":true}'), ": json: cannot unmarshal bool into Go struct field continueToken.rv of type int64"),
        (raw('{"v":"meta.k8s.io/v1","start":"/a"}'), ": incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
        (raw('{"v":"meta.k8s.io/v1","rv":1}'), ": encoded start key empty (version meta.k8s.io/v1)"),
        (raw('{"v":"meta.k8s.io/v1","rv":1,"start":"/../b"}'), ": /../b"),
        (raw('{"v":"meta.k8s.io/v1","rv":1,"start":"//b"}'), ": //b"),
        (raw('{"v":"meta.k8s.io/v1","rv":1,"start":"a/../../b"}'), ": a/../../b"),
    ],
)
def test_bad_tokens(token, why):
    with pytest.raises(StatusError) as e:
        Continuation.decode(token)
    assert (e.value.code, e.value.message) == (400, BAD + why)


@pytest.mark.parametrize(
    "text", ['{"v":"meta.k8s.io/v1","rv":1,"start":"\\ud800"}', '{"v":"meta.k8s.io/v1","rv":1,"start":"' + "a" * 600 + '"}', "NaN", "[" * 9000]
)
def test_hostile_tokens(text):
    with pytest.raises(StatusError, match="continue key is not valid"):
        Continuation.decode(raw(text))


@given(st.text(max_size=40) | st.binary(max_size=40).map(raw))
def test_any_text_is_a_token_or_a_bad_request(token):
    try:
        Continuation.decode(token)
    except StatusError as e:
        code = e.code
    else:
        code = 400
    assert code == 400


def test_expired_offers_the_inconsistent_token():
    status = expired_continuation(Continuation.after(5, "a", 9)).to_object()
    assert (status["code"], status["reason"], status["message"]) == (410, "Expired", EXPIRED)
    assert of(status["metadata"]["continue"]) == {"v": "meta.k8s.io/v1", "rv": -1, "start": "a\0"}
