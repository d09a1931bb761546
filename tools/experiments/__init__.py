"""Train what the chapters report; see __main__.py."""
