"""What judges of several chapters ask alike: is each number the right one?"""

from collections.abc import Callable, Sequence

from torch.testing import assert_close

Case = tuple[Sequence, float, str]  # arguments, what is wanted, and how to say so


def hold_numbers(answer: Callable, cases: Sequence[Case], form: str) -> None:
    """All answers are taken first: one alone may not tell two mistakes apart.

    Args:
        form: how the wanted number is shown, as in a format string.
    """
    given = [answer(*arguments) for arguments, _, _ in cases]
    for number, (_, wanted, asked) in zip(given, cases, strict=True):
        assert number is not None, "it returned nothing"
        said = f"{asked} it is {wanted:{form}}, not {number}"
        assert_close(float(number), float(wanted), msg=said)
