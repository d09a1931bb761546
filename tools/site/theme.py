"""What the theme and docutils write is corrected where a screen reader would stumble."""

from urllib.parse import urlsplit

from sphinx.application import Sphinx


def correct(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Correct what screen readers stumble over in what the theme and docutils write."""
    if "body" in context:  # a list whose children are no list items
        body = context["body"].replace('role="list" class="citation-list"', 'class="citation-list"')
        context["body"] = body.replace(' role="doc-biblioentry"', "")
    if page == "404":  # it goes to its own address, wherever it is served
        context["home"] = f"{urlsplit(app.config.html_baseurl).path.rstrip('/')}/"
    sidebar = context.get("generate_toctree_html")
    if sidebar:  # the buttons that unfold its sections have no name

        def named(*arguments: object, **options: object) -> str:
            name = "Show or hide the pages of this section"
            made = str(sidebar(*arguments, **options))
            return made.replace("<summary>", f'<summary aria-label="{name}">')

        context["generate_toctree_html"] = named


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", correct, priority=900)
