from __future__ import annotations

import pytest

from watchd.auth.authentication import (
    AuthenticatorChain,
    Credentials,
    TokenAuthenticator,
    TokenFileError,
    bearer_token,
    read_token_file,
)
from watchd.auth.user import ADMIN, ANONYMOUS, User
from watchd.status import StatusError

ALICE = User("alice", "1", ("dev",))


def chain(*, anonymous=True):
    return AuthenticatorChain(
        [TokenAuthenticator({"root-token": ADMIN}), TokenAuthenticator({"alice-token": ALICE})], anonymous=anonymous
    )


def bearing(token):
    return Credentials({"authorization": f"Bearer {token}"})


async def test_a_known_token_is_its_user_and_authenticated():
    assert (await chain().authenticate(bearing("root-token"))).groups == ("system:masters", "system:authenticated")
    user = await chain().authenticate(bearing("alice-token"))
    assert (user.name, user.uid, user.groups) == ("alice", "1", ("dev", "system:authenticated"))


@pytest.mark.parametrize("token", ["wrong", "alice-toke", "alice-tokenn", "ALICE-TOKEN", "\udcff", "é"])
async def test_an_unknown_token_is_401_even_where_anonymous_is_let_through(token):
    with pytest.raises(StatusError) as caught:
        await chain().authenticate(bearing(token))
    assert caught.value.to_object() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"authorization": "Basic eDp5"}])
async def test_no_token_is_anonymous_or_401(headers):
    assert await chain().authenticate(Credentials(headers)) is ANONYMOUS
    with pytest.raises(StatusError, match="Unauthorized"):
        await chain(anonymous=False).authenticate(Credentials(headers))


def test_the_scheme_is_in_any_case():
    assert bearer_token({"authorization": "bearer  abc "}) == "abc"
    assert bearer_token({"authorization": "Token abc"}) is None


def test_nothing_shows_a_token():
    authenticator = TokenAuthenticator({"very-secret": ALICE})
    assert "very-secret" not in repr(authenticator)
    assert authenticator.find("very-secret") is not None


def test_a_token_file(tmp_path):
    path = tmp_path / "tokens.csv"
    path.write_text('t1,alice,1\nt2,bob,2,"dev,ops"\n\n t3 , carol , 3 , one\n,nobody,4\nt1,alice2,5\n')
    assert read_token_file(path) == {
        "t1": User("alice2", "5"),
        "t2": User("bob", "2", ("dev", "ops")),
        "t3": User("carol", "3", ("one",)),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hidden,alice\n", "record 1 has 2 columns"),
        (b"hidden,,1\n", "record 1 has no user name"),
        (b'hidden,"alice,1\n', "end of data"),
        (b"hidden\xff,alice,1\n", "not UTF-8"),
    ],
)
def test_a_bad_token_file_is_one_line_without_the_token(tmp_path, content, message):
    path = tmp_path / "tokens.csv"
    path.write_bytes(content)
    with pytest.raises(TokenFileError) as caught:
        read_token_file(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_missing_token_file(tmp_path):
    with pytest.raises(TokenFileError, match="No such file"):
        read_token_file(tmp_path / "absent")
