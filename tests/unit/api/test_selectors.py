from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchd.api.selectors import EVERY_FIELD, EVERY_LABEL, FieldSelector, LabelSelector
from watchd.registry.strategy import KNOWN_FIELDS
from watchd.status import StatusError

WEB = {"app": "web", "n": "5"}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app=db", False),
        ("app!=db", True),
        ("other!=db", True),
        ("app in (db, web)", True),
        ("app in (db)", False),
        ("other in (db)", False),
        ("app notin (db)", True),
        ("app notin (web)", False),
        ("other notin (web)", True),
        ("app", True),
        ("other", False),
        ("!app", False),
        ("!other", True),
        ("n>4", True),
        ("n>5", False),
        ("n<6", True),
        ("app>1", False),
        ("other<1", False),
        ("app=web,n>4", True),
        ("app=web,n>4,!x", True),
        ("app=web,n>4,x", False),
        ("other=", False),
        ("other in ()", False),
    ],
)
def test_label_matching(text, selected):
    assert LabelSelector.parse(text).matches(WEB) is selected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b c", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("=x", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a in (b,(", "unable to parse requirement: found '(', expected: ',', or identifier"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"),
        ("/a", 'unable to parse requirement: <nil>: Invalid value: "/a": prefix part must be non-empty'),
    ],
)
def test_label_errors(text, message):
    with pytest.raises(StatusError) as e:
        LabelSelector.parse(text)
    assert (e.value.code, e.value.message) == (400, message)


@pytest.mark.parametrize("text", ["a=" + "x" * 64, "a=-", "x" * 64, "a/b/c", "a/", "UP/a", "a\0b", "a=b\0", "é"])
def test_invalid_keys_and_values(text):
    with pytest.raises(StatusError, match="Invalid value"):
        LabelSelector.parse(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("b=1, a", "a,b=1"), ("a in (z,y,z)", "a in (y,z)"), ("!a,n > 1", "!a,n>1"), ("a notin (,x)", "a notin (,x)"), ("in in (in)", "in in (in)")],
)
def test_canonical_label_text(text, canonical):
    selector = LabelSelector.parse(text)
    assert str(selector) == canonical
    again = LabelSelector.parse(canonical)
    assert (again, hash(again)) == (selector, hash(selector))


@given(st.text(alphabet="ab=!,()<> in\t-./", max_size=20))
def test_any_text_parses_to_its_canonical_form_or_is_a_bad_request(text):
    try:
        selector = LabelSelector.parse(text)
    except StatusError as e:
        code = e.code
    else:
        code = 400
        assert LabelSelector.parse(str(selector)) == selector
    assert code == 400


def test_exact_label():
    selector = LabelSelector.parse("a=1,b in (2),c in (3,4),d!=5")
    assert [selector.exact(key) for key in "abcde"] == ["1", "2", None, None, None]


def test_empty_selectors_are_false_and_match_all():
    assert not EVERY_LABEL
    assert not EVERY_FIELD
    assert EVERY_LABEL.matches({})
    assert FieldSelector.parse(",").matches({})


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("metadata.name=a", True),
        ("metadata.name==b", False),
        ("metadata.name!=b", True),
        ("spec.x=", True),
        ("spec.x!=", False),
        ("metadata.name=a,metadata.namespace=ns", True),
        ("metadata.name=a,metadata.namespace=other", False),
        (r"spec.y=a\,b\=c\\", True),
    ],
)
def test_field_matching(text, selected):
    fields = {"metadata.name": "a", "metadata.namespace": "ns", "spec.y": "a,b=c\\"}
    selector = FieldSelector.parse(text)
    assert selector.matches(fields) is selected
    assert FieldSelector.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "invalid selector: 'foo'; can't understand 'foo'"),
        ("a=b,foo", "invalid selector: 'a=b,foo'; can't understand 'foo'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=\\z", "invalid field selector: invalid escape sequence: \\z"),
        ("a=\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_field_errors(text, message):
    with pytest.raises(StatusError) as e:
        FieldSelector.parse(text)
    assert (e.value.code, e.value.message) == (400, message)


def test_exact_field_and_name():
    selector = FieldSelector.parse("metadata.name=a,spec.x!=b")
    assert (selector.exact("metadata.name"), selector.exact("spec.x")) == ("a", None)
    assert selector.and_name("a") is selector
    narrowed = selector.and_name("b")
    assert not narrowed.matches({"metadata.name": "a"})
    assert not narrowed.matches({"metadata.name": "b"})


def test_unknown_fields():
    known = ("metadata.name", "metadata.namespace")
    FieldSelector.parse("metadata.name=a").check_fields(known)
    selector = FieldSelector.parse("spec.x=1")
    with pytest.raises(StatusError, match=r"^field label not supported: spec\.x$"):
        selector.check_fields(known)
    with pytest.raises(StatusError) as e:
        selector.check_fields(known, KNOWN_FIELDS)
    assert e.value.message == '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'


@pytest.mark.parametrize("text", ["=", "!=", "=,!="])
def test_terms_of_nothing_ask_nothing(text):
    selector = FieldSelector.parse(text)
    assert not selector
    selector.check_fields([])
