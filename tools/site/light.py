"""What a page would load for nothing: marks without a colour of their own, a second icon font."""

import re

from sphinx.application import Sphinx

# names, punctuation and blanks have the colour of the program around them
PLAIN = re.compile(r'<span class="[npw]">([^<]*)</span>')
# a font of more than a hundred kilobytes would be loaded for this icon alone
ICONS = {"fab fa-github": "fas fa-code-branch"}


def lighten(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    if "body" in context:
        context["body"] = PLAIN.sub(r"\1", context["body"])
    for group in context.get("header_buttons", []):
        for button in (group, *group.get("buttons", [])):
            icon = button.get("icon", "")
            button["icon"] = next((new for old, new in ICONS.items() if old in icon), icon)


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", lighten, priority=950)
