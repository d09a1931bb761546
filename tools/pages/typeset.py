"""The mathematics in the sentences of a docstring, as LaTeX: `d_h = C / h` becomes $d_h = C / h$.

A docstring is read in a terminal too, so its sentences say C // r and W₂ as plain text.  A page
sets these as formulas: runs of letters with signs between them, and letters that stand alone.
Greek letters and signs such as × stay as they are, since MathJax knows them.
"""

import re

GREEK = "αβγδεζηθικλμνξπρστυφχψωℓ"
RAISED = {"²": "2", "¹": "1", "³": "3", "ᵀ": r"\top", "ⁱ": "i", "ᵠ": "q"}
LOWERED = dict(zip("₀₁₂₃₄", "01234", strict=True))
HATS = {"\u0302": "hat", "\u0304": "bar"}
FUNCTIONS = "softmax|exp|log|SiLU|ReLU|MultiHead|LN|BN|GN"  # a letter or a bracket follows
PRODUCTS = "HW|GI|CC"  # letters side by side; other pairs of capitals are acronyms

_LETTERS = f"A-Za-z{GREEK}"
_MARKS = rf"(?:['{''.join((*RAISED, *LOWERED, *HATS))}]|[_^]\w+)*"
_WORD = r"[aAI](?![_^])(?! [=+] )"  # these are words, but beside a sign
_LETTER = rf"(?:{PRODUCTS}|(?<=[=+] )[aA]|(?!{_WORD})[{_LETTERS}])(?![{_LETTERS}]){_MARKS}"
_NUMBER = rf"\d+(?:\.\d+)?(?!\d|[.e-]\d)[{''.join(RAISED)}]*"
_CALL = rf"(?:{FUNCTIONS}|[{_LETTERS}]{_MARKS})\([^()`]*(?:\([^()`]*\)[^()`]*)*\)"
_BRACKET = rf"\((?:{PRODUCTS})\){_MARKS}|[|⌈⌊][^`|⌉⌋]+[|⌉⌋]"
_FACTOR = rf"(?:{_CALL}|{_BRACKET}|(?:(?:{FUNCTIONS}) )?\d*(?:{_LETTER})+|½|∞)"
_TERM = rf"(?:{_NUMBER} )?{_FACTOR}(?: {_FACTOR})*"
_SIGN = r"(?: ?(?://|[=≤×·⊙+/−]) ?| - )"
_RUN = rf"(?:{_TERM}|{_NUMBER})(?:{_SIGN}(?:{_TERM}|-?{_NUMBER}))*"
# what is code, or set already, is left alone
FOUND = re.compile(
    rf"(?P<code>`[^`]*`|\$[^$]*\$)|(?<![\w'’\-.|(])(?P<open>\(??)(?P<run>(?!\d+e-){_RUN})(?![\w(]|['.]\w)"
)


def mathematics(text: str) -> str:
    """A sentence whose mathematics is LaTeX between dollars."""
    text = re.sub(r":math:`([^`]*)`", r"$\1$", text)
    return FOUND.sub(_set, text)


def _set(found: re.Match[str]) -> str:
    run = found["run"]
    if found["code"] or not run or not re.search(rf"[{_LETTERS}½∞⌈⌊|]", run):
        return found[0]
    return f"{found['open']}${latex(run)}$"


def latex(run: str) -> str:
    """One run of letters and signs."""
    raised, lowered = "".join(RAISED), "".join(LOWERED)
    run = re.sub(r"((?:\w+ / )?\w+) // (\w+)", r"⌊\1 / \2⌋", run)
    run = re.sub(rf"\b({FUNCTIONS})\b", r"\\operatorname{\1}", run)
    run = re.sub(rf"([{raised}]+)", lambda m: f"^{{{''.join(RAISED[c] for c in m[1])}}}", run)
    run = re.sub(rf"([{lowered}]+)", lambda m: f"_{{{''.join(LOWERED[c] for c in m[1])}}}", run)
    run = re.sub(r"([_^])(\w\w+)", r"\1{\2}", run)
    for hat, command in HATS.items():
        run = re.sub(rf"(\w){hat}", rf"\\{command}{{\1}}", run)
    return run
