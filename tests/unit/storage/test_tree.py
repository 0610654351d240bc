"""The persistent map against a plain dict: every version that was ever made stays what it was."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.tree import EMPTY, FANOUT, Tree, _Branch, _Leaf

KEYS = st.integers(0, 400).map(lambda number: b"%03d" % number)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, st.integers()),
        st.tuples(st.just("delete"), KEYS),
        st.tuples(st.just("discard_before"), KEYS),
        st.tuples(st.just("set_many"), st.integers(0, 300), st.integers(1, 150)),
        st.tuples(st.just("delete_many"), st.integers(0, 300), st.integers(1, 150)),
        st.tuples(st.just("fork"), st.integers(0, 100)),
    ),
    max_size=25,
)


def check_nodes(tree: Tree) -> None:
    """Depth is uniform, keys rise and lie between their bounds, sizes add up, no node is over-full or empty."""

    def visit(node, lower, upper, *, top):
        if isinstance(node, _Leaf):
            assert len(node.keys) == len(node.values) <= FANOUT
            assert top or node.keys
            assert list(node.keys) == sorted(set(node.keys))
            assert all(lower <= key and (upper is None or key < upper) for key in node.keys)
            return 1, len(node.keys)
        assert isinstance(node, _Branch)
        assert 1 <= len(node.children) == len(node.bounds) + 1 <= FANOUT
        assert not top or len(node.children) > 1
        edges = [lower, *node.bounds, upper]
        shapes = [visit(child, *edges[i : i + 2], top=False) for i, child in enumerate(node.children)]
        assert len({depth for depth, _ in shapes}) == 1
        assert node.size == sum(size for _, size in shapes)
        return shapes[0][0] + 1, node.size

    visit(tree._root, b"", None, top=True)


def apply(tree: Tree, model: dict, step: tuple) -> tuple[Tree, dict]:
    model = dict(model)
    match step:
        case ("set", key, value):
            model[key] = value
            return tree.set(key, value), model
        case ("delete", key):
            model.pop(key, None)
            return tree.delete(key), model
        case ("discard_before", bound):
            return tree.discard_before(bound), {key: value for key, value in model.items() if key >= bound}
        case ("set_many", first, amount):
            for number in range(first, first + amount):
                model[b"%03d" % number] = number
                tree = tree.set(b"%03d" % number, number)
        case ("delete_many", first, amount):
            for number in range(first, first + amount):
                model.pop(b"%03d" % number, None)
                tree = tree.delete(b"%03d" % number)
    return tree, model


@settings(max_examples=60, deadline=None)
@given(STEPS, KEYS, KEYS)
def test_every_version_equals_its_dict(steps, start, stop):
    versions = [(Tree(), {})]
    for step in steps:
        if step[0] == "fork":
            versions.append(versions[step[1] % len(versions)])
        else:
            versions.append(apply(*versions[-1], step))
    for tree, model in versions:
        check_nodes(tree)
        keys = sorted(model)
        assert len(tree) == len(model)
        assert list(tree.items()) == [(key, model[key]) for key in keys]
        assert list(tree.items(start)) == [(key, model[key]) for key in keys[bisect_left(keys, start) :]]
        assert tree.count(start, stop) == sum(start <= key < stop for key in keys)
        assert tree.count(start) == sum(start <= key for key in keys)
        assert all(tree.get(key) == model.get(key) for key in (start, stop, *keys))


ORDERS = {
    "rising": lambda number: number,
    "falling": lambda number: -number,
    # 1009 is prime: a permutation that spreads neighbours.
    "spread": lambda number: number * 613 % 1009,
    "by thirds": lambda number: (number % 3, number),
    "middle first": lambda number: abs(number - 500),
}


@pytest.mark.parametrize("grow", ORDERS)
@pytest.mark.parametrize("shrink", ORDERS)
def test_it_grows_and_shrinks_in_any_order(grow, shrink):
    numbers = range(1009)
    tree, model = Tree(), {}
    versions = []
    for step, number in enumerate(sorted(numbers, key=ORDERS[grow])):
        tree = tree.set(b"%04d" % number, number)
        model[b"%04d" % number] = number
        if step % 200 == 0:
            versions.append((tree, dict(model)))
    for step, number in enumerate(sorted(numbers, key=ORDERS[shrink])):
        tree = tree.delete(b"%04d" % number)
        del model[b"%04d" % number]
        if step % 50 == 0 or len(model) < 40:
            versions.append((tree, dict(model)))
    assert tree._root == EMPTY
    for version, expected in versions:
        check_nodes(version)
        assert dict(version.items()) == expected
        assert all(version.get(key) == number for key, number in expected.items())


@pytest.mark.parametrize("grow", ORDERS)
def test_the_front_goes_at_any_place_and_the_rest_still_changes(grow):
    numbers = range(1009)
    whole = Tree()
    for number in sorted(numbers, key=ORDERS[grow]):
        whole = whole.set(b"%04d" % number, number)
    for bound in (0, 1, 15, 16, 31, 32, 33, 500, 511, 512, 513, 1007, 1008, 1009):
        tree = whole.discard_before(b"%04d" % bound)
        check_nodes(tree)
        assert [number for _, number in tree.items()] == list(numbers[bound:])
        # Between two keys, also where one leaf ends and the next begins.
        assert [number for _, number in whole.discard_before(b"%04d~" % bound).items()] == list(numbers[bound + 1 :])
        for number in numbers[bound : bound + 40]:
            tree = tree.delete(b"%04d" % number)
            check_nodes(tree)
        for number in numbers[: bound + 40 : 7]:
            tree = tree.set(b"%04d" % number, number)
        check_nodes(tree)
        assert [number for _, number in tree.items()] == [*numbers[: bound + 40 : 7], *numbers[bound + 40 :]]
    assert len(whole) == 1009


def test_deletes_join_small_nodes():
    tree = Tree()
    for number in range(1009):
        tree = tree.set(b"%04d" % number, number)
    for number in range(1009):
        if number % 32 >= 4:
            tree = tree.delete(b"%04d" % number)
    assert len(tree._root.children) <= 8


def test_deleting_an_absent_key_returns_the_same_map():
    tree = Tree().set(b"a", 1)
    assert tree.delete(b"b") is tree


def test_rising_keys_fill_their_leaves():
    tree = Tree()
    for number in range(10 * FANOUT):
        tree = tree.set(number.to_bytes(8, "big"), number)
    check_nodes(tree)
    assert isinstance(tree._root, _Branch)
    assert len(tree._root.children) == 10


def test_a_change_shares_what_it_does_not_touch():
    old = Tree()
    for number in range(1000):
        old = old.set(b"%04d" % number, number)
    new = old.set(b"0500", -1)
    same = sum(a is b for a, b in zip(old._root.children, new._root.children, strict=True))
    assert same == len(old._root.children) - 1
    assert old.get(b"0500") == 500
