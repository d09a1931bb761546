"""The list of checks, those that apply to a card, and the verdict of one."""

from collections.abc import Iterator

from attention_lib.cards.card import Card
from attention_lib.checks import answers, facts, flow, learning, order, travel, use
from attention_lib.checks.common import ONLY, Check, seeded

# these need more packages (onnx, onnxscript, onnxruntime), and seconds
SLOW = (travel.check_onnx, travel.check_onnx_masks, travel.check_torchscript)
CONTRACT = tuple(
    check
    for room in (answers, order, learning, travel, use, facts, flow)
    for name, check in vars(room).items()
    if name.startswith("check_") and check not in SLOW
)


def checks_for(card: Card, slow: bool = False) -> Iterator[Check]:
    """The checks that apply to the card's kind and to what it declares.

    Args:
        card: of the module that is to be checked.
        slow: also those that need more packages, and seconds.
    """
    checks = (*CONTRACT, *SLOW) if slow else CONTRACT
    return (check for check in checks if not _not_applicable(check, card))


def verdict(check: Check, card: Card) -> tuple[str, str]:
    """("passed" | "failed" | "xfail" | "not applicable", why) for one check.

    What a card says it cannot do is "xfail" only while it really fails.
    """
    if why := _not_applicable(check, card):
        return "not applicable", why
    reason = card.cannot.get(check.__name__)
    try:
        with seeded():
            check(card)
    except (Exception, SystemExit) as error:  # whatever a custom module raises is the finding
        if reason:
            return "xfail", reason
        return "failed", f"{type(error).__name__}: {error}".partition("\n")[0]
    return ("failed", f"the card says it cannot: {reason}") if reason else ("passed", "")


def _not_applicable(check: Check, card: Card) -> str:
    where, otherwise = ONLY.get(check, (bool, ""))
    return "" if where(card) else otherwise
