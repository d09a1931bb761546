"""What turns the text of the book into notebooks, pages and measurements."""
