"""A Big-O keeps what leads, drops what does not, and never reads O(0) or holds a switch."""

import random
from dataclasses import replace
from math import inf, prod

import pytest
import sympy

from attention_lib.cards.notation import letter
from attention_lib.catalog import catalog, find
from attention_lib.measure.order import AT_MOST, big_o, dominated, leading, order
from attention_lib.measure.sizes import realistic, sized

KINDS = ("params", "macs", "memory", "touched")
CARDS = [(card, kind) for card in catalog() for kind in KINDS]
# How often each doubles from one size to the next: the width, a side of the map, the tokens
WAYS = ((0, 4, 8), (4, 0, 0), (3, 3, 6))


def value(terms, card):
    at = {sympy.Symbol(letter(w)): n for w, n in card.words(batch=1).items() if isinstance(n, int)}
    return sum(float(term.subs(at)) for term in terms)


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_it_grows_as_the_cost_does(card):
    for wide, high, long in WAYS:
        steps = [
            sized(
                card, 128 << wide * step, 16 << high * step, 16 << high * step, 256 << long * step
            )
            for step in range(3)
        ]
        for kind in KINDS:
            terms = leading(card, kind)
            costs = [large.cost(kind, batch=1) for large in steps]
            assert all((cost == 0) == (not terms) for cost in costs), (kind, costs, terms)
            pairs = zip(costs, steps, strict=True)
            ratios = [cost / value(terms, large) for cost, large in pairs if terms]
            assert not terms or max(ratios) < 20 * min(ratios), (kind, ratios)


@pytest.mark.parametrize(("card", "kind"), CARDS, ids=str)
def test_no_term_is_dominated_by_the_others(card, kind):
    """For each there are speeds of growth at which it leaves all others behind."""
    terms, chance = leading(card, kind), random.Random(0)
    letters = sorted({s for term in terms for s in term.free_symbols}, key=str)
    powers = {t: [float(t.as_powers_dict()[a]) for a in letters] for t in terms}
    smaller = [pair for pair in pairs(card) if {*pair} <= {*letters}]
    kept = dict.fromkeys(terms, 0.0)
    for _ in range(20_000):
        if all(ahead > 0 for ahead in kept.values()):
            break
        speed = {a: chance.choice((0, chance.randint(1, 9))) for a in letters}
        if any(speed[small] > speed[large] for small, large in smaller):
            continue
        power = {
            t: sum(e * speed[a] for a, e in zip(letters, powers[t], strict=True)) for t in terms
        }
        for term in terms:
            ahead = power[term] - max((power[t] for t in terms if t != term), default=-inf)
            kept[term] = max(kept[term], ahead)
    assert all(ahead > 0 for ahead in kept.values()), kept


def pairs(card):
    words = realistic(card).words()
    for small, larger in AT_MOST.items():
        for large in larger:
            if {small, large} <= words.keys():
                yield sympy.Symbol(letter(small)), sympy.Symbol(letter(large))


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_what_is_taken_to_be_smaller_is(card):
    for features in (128, 2048):
        words = sized(card, features, 56, 56, 3136).words()
        for small, larger in AT_MOST.items():
            for large in larger:
                if isinstance(words.get(small), int):  # a list has one for each branch
                    assert words[small] <= words.get(large, inf), (small, large)


@pytest.mark.parametrize(("card", "kind"), CARDS, ids=str)
def test_no_switch_no_factor_and_no_zero_is_shown(card, kind):
    terms, text = leading(card, kind), order(card, kind)
    switches = [letter(w) for w, n in realistic(card).words().items() if isinstance(n, bool)]
    shown = {str(s) for term in terms for s in term.free_symbols}
    assert not shown & {*switches, "B"}
    assert all(term.as_coeff_Mul()[0] == 1 for term in terms)
    assert not any(word in text for word in (r"\min", r"\max", r"\sum", "floor", "0 +")), text
    assert text != "0"


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_every_mechanism_touches_numbers(card):
    """At least those of its input and of its largest tensor."""
    assert order(card, "touched")
    x = prod(card.inputs(batch=1)[0].shape)
    assert card.cost("touched", batch=1) == x + card.cost("params") + card.cost("memory", batch=1)


@pytest.mark.parametrize(
    ("name", "kind", "grown"),
    [
        ("mha", "macs", "N d^{2} + N^{2} d"),
        ("emsa", "memory", "H^{2} W^{2} h / s^{2}"),
        ("aft", "macs", "N d^{2}"),
        ("bam", "params", "C m"),
        ("triplet", "params", "k^{2}"),
        ("ufo", "macs", "N d^{2}"),
        ("sk", "params", "C m + C^{2} / G"),
        ("sk", "macs", "C m + C^{2} H W / (G s^{2})"),
        ("simam", "macs", ""),
        ("simam", "touched", "C H W"),
    ],
)
def test_well_known_ones(name, kind, grown):
    assert order(find(name), kind) == grown
    assert big_o(find(name), kind) == (f"O({grown})" if grown else "")


def test_what_is_off_by_default_grows_where_it_is_given():
    full = dict(tokens=1024, dim=512, max_tokens=1024)
    assert order(find("aft"), "macs", **full) == "N d^{2} + N^{2} d + N^{2} r"
    assert order(find("aft"), "memory", **full) == "N d + N^{2}"
    assert order(find("aft"), "macs", tokens=1024, dim=512) == "N d^{2}"


def test_a_term_between_two_others_is_dominated():
    a, b = sympy.symbols("a b")
    assert dominated({a: 1, b: 1}, [{a: 2}, {b: 2}])
    assert not dominated({a: 1, b: 1}, [{a: 2}])
    assert dominated({a: 1, b: 1}, [{a: 2}], [(b, a)]), "b is never larger than a"
    assert not dominated({a: 2}, [{a: 1, b: 1}], [(b, a)])
    assert dominated({}, [{a: 1}]) and not dominated({}, [{a: 1, b: -1}])
    assert not dominated({}, [])


def test_the_larger_of_two_grows_as_their_sum():
    card = replace(find("mha"), memory="Max(3 * tokens * dim, tokens**2 * Max(heads, 2) / dim)")
    assert order(card, "memory") == "N d + N^{2} h / d"
