"""Write the pages that follow from the cards; see __main__.py."""
